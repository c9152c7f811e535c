"""Plots as SVG: bars for cases, lines for sizes, both on logarithmic scales. Readable on light and dark pages."""

import math
from collections.abc import Iterable
from html import escape

WIDTH = 820
LABELS = 270
HEAD = 34
COLOURS = ("#2f81f7", "#e8820c", "#3fa34d", "#b06bd6", "#d1495b", "#8a8f98", "#17a2b8", "#b8860b", "#e377c2", "#7f6a55")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#24292f}text.title{font-weight:600}.grid{stroke:#d0d7de;stroke-width:1}.faint{fill:#57606a}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.grid{stroke:#30363d}.faint{fill:#9198a1}}"
)


def _number(value: float) -> str:
    """A number in three digits."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _page(title: str, height: float, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" role="img">\n'
            f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
            f'{_text(8, 20, title, kind="title")}\n{body}\n</svg>\n')


class Scale:
    """A logarithmic scale from values to places, over whole powers of ten."""

    def __init__(self, values: list[float], start: float, end: float):
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.start, self.end = start, end

    def at(self, value: float) -> float:
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self.low, self.high + 1)]


def _legend(names: list[str], y: float) -> list[str]:
    parts, x = [], 8.0
    for number, name in enumerate(names):
        width = 30 + 7 * len(name)
        if x + width > WIDTH:
            x, y = 8.0, y + 18
        parts.append(f'<rect x="{x:.1f}" y="{y - 10:.1f}" width="11" height="11" fill="{_colour(number)}"/>')
        parts.append(_text(x + 16, y, name))
        x += width
    return parts


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def bars(title: str, names: list[str], groups: dict[str, list[float | None]]) -> str:
    """A bar for each of the names in every group; None where there is nothing."""
    values = [value for group in groups.values() for value in group if value]
    scale = Scale(values, LABELS, WIDTH - 70)
    bottom = HEAD + sum(14 * len(group) + 10 for group in groups.values())
    parts = []
    for tick in scale.ticks():
        x = scale.at(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{HEAD}" y2="{bottom:.1f}"/>')
        parts.append(_text(x, bottom + 15, _number(tick), "middle", "faint"))
    y = float(HEAD)
    for label, group in groups.items():
        parts.append(_text(LABELS - 8, y + 7 * len(group) + 8, label, "end"))
        for number, value in enumerate(group):
            y += 14
            if value:
                end = max(scale.at(value), LABELS + 1)
                parts.append(f'<rect x="{LABELS}" y="{y - 9:.1f}" width="{end - LABELS:.1f}" height="12" '
                             f'fill="{_colour(number)}"/>')
                parts.append(_text(end + 4, y + 1, _number(value), kind="faint"))
        y += 10
    return _page(title, bottom + 48, [*parts, *_legend(names, bottom + 36)])


def lines(title: str, series: dict[str, list[tuple[float, float]]]) -> str:
    """A line for each of the series."""
    points = [point for line in series.values() for point in line]
    across, height = Scale([x for x, _ in points], 80, WIDTH - 30), 300
    up = Scale([y for _, y in points], height, HEAD)
    parts = []
    for tick in across.ticks():
        x = across.at(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{HEAD}" y2="{height}"/>')
        parts.append(_text(x, height + 16, _number(tick), "middle", "faint"))
    for tick in up.ticks():
        y = up.at(tick)
        parts.append(f'<line class="grid" x1="80" x2="{WIDTH - 30}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(74, y + 4, _number(tick), "end", "faint"))
    for number, line in enumerate(series.values()):
        path = " ".join(f"{across.at(x):.1f},{up.at(y):.1f}" for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_colour(number)}" stroke-width="2"/>')
        parts += [f'<circle cx="{across.at(x):.1f}" cy="{up.at(y):.1f}" r="3.5" fill="{_colour(number)}"/>' for x, y in line]
    legend = _legend(list(series), height + 40)
    return _page(title, height + 50 + 18 * (len(series) // 2), [*parts, *legend])
