"""Tables and plots of what was measured, and the page that includes them."""

import statistics
from dataclasses import dataclass
from pathlib import Path

from suite import svg
from suite.figures import FLOWSTONE, Figures
from suite.machine import is_busy
from suite.workload import Metric, Workload

PLOTS = "benchmarks"


@dataclass(frozen=True)
class Section:
    """What is said of one workload: Markdown, and plots by the name of their file."""

    name: str
    title: str
    text: str
    plots: dict[str, str]


def spread(values: list[float], unit: float, digits: int) -> str:
    """The median, and the range where there are several."""
    if not values:
        return "-"
    shown = [f"{value / unit:,.{digits}f}" for value in (statistics.median(values), min(values), max(values))]
    return f"{shown[0]} ({shown[1]} to {shown[2]})" if len(values) > 1 else shown[0]


def _ratio(values: list[float]) -> str:
    return f"{statistics.median(values):.2g} x" if values and statistics.median(values) < 10 else (
        f"{statistics.median(values):,.0f} x" if values else "-")


def _rows(head: list[str], rows: list[list[str]]) -> str:
    # A row or a column in which nothing was measured says nothing.
    rows = [row for row in rows if any(cell != "-" for cell in row[1:])]
    kept = [column for column in range(len(head)) if column == 0 or any(row[column] != "-" for row in rows)]
    lines = [[head[column] for column in kept], ["---"] * len(kept), *([row[column] for column in kept] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def compared(figures: Figures, size: int, workload: Workload) -> str:
    """The contenders side by side by the first metric, with what each rival took in flowstone's, and flowstone in a floor's."""
    metric = workload.metrics[0]
    contenders = figures.contenders(size, metric.key)
    others = [name for name in contenders if name != FLOWSTONE]
    head = ["", *(f"{name}, {metric.title}" for name in contenders), *(f"flowstone / {name}" if name in workload.floors else f"{name} / flowstone" for name in others)]
    rows = []
    for case in figures.cases(size):
        cells = [spread(figures.of(name, case, size, metric.key), metric.unit, metric.digits) for name in contenders]
        ratios = {name: figures.ratios(name, case, size, metric.key) for name in others}
        for name in workload.floors:
            ratios[name] = [1 / ratio for ratio in ratios.get(name, []) if ratio > 0]
        rows.append([case, *cells, *(_ratio(ratios[name]) for name in others)])
    return _rows(head, rows)


def listed(figures: Figures, size: int, metrics: tuple[Metric, ...]) -> str:
    """All other metrics of all contenders: medians only."""
    columns = [(name, metric) for name in figures.contenders(size) for metric in metrics]
    rows = [[case, *(spread(values, metric.unit, metric.digits).split(" (")[0] for values, metric in (
        (figures.of(name, case, size, metric.key), metric) for name, metric in columns))] for case in figures.cases(size)]
    return _rows(["", *(f"{name}, {metric.title}" for name, metric in columns)], rows)


def _bars(figures: Figures, workload: Workload, size: int) -> str:
    metric = workload.metrics[0]
    contenders = figures.contenders(size, metric.key)
    groups = {}
    for case in figures.cases(size, metric.key):
        medians = [figures.median(name, case, size, metric.key) for name in contenders]
        groups[case] = [median / metric.unit if median and median > 0 else None for median in medians]
    return svg.bars(f"{workload.title}: {metric.title}, {size:,} {workload.what}", contenders, groups)


def _growth(figures: Figures, workload: Workload, metric: Metric) -> str:
    lines = {}
    for name in figures.contenders(metric=metric.key):
        for case in workload.growth:
            medians = ((size, figures.median(name, case, size, metric.key)) for size in figures.sizes())
            points = [(size, median / metric.unit) for size, median in medians if median and median > 0]
            if points:
                lines[f"{name}: {case}"] = points
    return svg.lines(f"{workload.title}: {metric.title} by {workload.what}", lines)


def _plots(figures: Figures, workload: Workload) -> dict[str, str]:
    sizes = figures.sizes()
    largest = max(sizes, key=lambda size: (len(figures.contenders(size)), size))
    plots = {f"{workload.name}.svg": _bars(figures, workload, largest)}
    if workload.growth and len(sizes) > 1:
        for metric in workload.metrics:
            if metric.key in ("cpu", "memory"):
                plots[f"{workload.name}-{metric.key}.svg"] = _growth(figures, workload, metric)
    return plots


def _taken(found: dict, workload: Workload) -> str:
    """On what, and how, in a sentence or two."""
    machine, others = found["machine"], found["workloads"][workload.name]["others"]
    repeats = len({entry["repeat"] for entry in found["workloads"][workload.name]["figures"]})
    changed = " with changes" if machine["modified"] else ""
    busy = " **The machine was busy: do not trust these figures.**" if is_busy(others[0]) else ""
    times = f"median of {repeats} (range)" if repeats > 1 else "measured once"
    return (f"{machine['flowstone']} at {machine['commit']}{changed}, {machine['date']}, {machine['processor']}, "
            f"{machine['cores']} cores; {times}; other work took {others[0]:.0%} of them before and {others[1]:.0%} after.{busy}")


def _section(found: dict, workload: Workload) -> Section:
    entry = found["workloads"][workload.name]
    figures = Figures.of_json(entry["figures"])
    parts = [_taken(found, workload)]
    for size in figures.sizes():
        if len(figures.sizes()) > 1:
            parts.append(f"{size:,} {workload.what}:")
        parts.append(compared(figures, size, workload))
        if rest := workload.metrics[1:]:
            parts.append(listed(figures, size, rest))
    plots = _plots(figures, workload)
    parts += [f"![{workload.title}]({PLOTS}/{name})" for name in plots]
    if entry["notes"]:
        parts.append("\n".join(f"- {note}" for note in entry["notes"]))
    return Section(workload.name, workload.title, "\n\n".join(parts), plots)


def sections(found: dict, workloads: list[Workload]) -> list[Section]:
    """The sections of all workloads that were measured."""
    return [_section(found, workload) for workload in workloads if found["workloads"][workload.name]["figures"]]


def write(made: list[Section], folder: Path) -> None:
    """Tables and plots beside the figures."""
    plots = folder / PLOTS
    plots.mkdir(parents=True, exist_ok=True)
    text = "\n\n".join(f"# {section.title}\n\n{section.text}" for section in made)
    (folder / "tables.md").write_text(text + "\n")
    for section in made:
        for name, plot in section.plots.items():
            (plots / name).write_text(plot)


def publish(made: list[Section], page: Path) -> None:
    """Puts tables between the marks of the page, and plots beside it; what stands outside the marks is left alone."""
    text = page.read_text()
    plots = page.parent / PLOTS
    plots.mkdir(exist_ok=True)
    for section in made:
        start, end = f"<!-- figures of {section.name} -->\n", f"<!-- end of {section.name} -->"
        if text.count(start) != 1 or text.count(end) != 1:
            raise SystemExit(f"{page} has not the marks {start.strip()} and {end} once each")
        before, rest = text.split(start)
        text = before + start + "\n" + section.text + "\n\n" + end + rest.split(end)[1]
        for name, plot in section.plots.items():
            (plots / name).write_text(plot)
    page.write_text(text)
