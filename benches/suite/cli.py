"""The command line of the suite: all workloads, or those named, into one JSON file, tables and plots."""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from suite import machine, report
from suite.places import BINARY, OUT, ROOT
from suite.process import Failed
from suite.rivals import Missing
from suite.workload import Bench, Differs, Workload

FORMAT = 2
PAGE = ROOT / "docs/benchmarks.md"
NOT_PUBLISHED = "figures of --quick are not for the page"


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part.replace("_", "")) for part in text.split(","))


def _parser(workloads: list[Workload], about: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about.strip(), formatter_class=argparse.RawDescriptionHelpFormatter)
    if len(workloads) > 1:
        names = ", ".join(f"{workload.name} ({workload.title})" for workload in workloads)
        parser.add_argument("--only", help=f"some of them, with commas between: {names}")
    parser.add_argument("--repeat", type=int, default=5, help="how often everything is measured (5)")
    parser.add_argument("--quick", action="store_true", help="small sizes, once: to see that the suite works")
    parser.add_argument("--sizes", type=_numbers, help="other sizes than those of the workload, with commas between")
    parser.add_argument("--no-rivals", dest="rivals", action="store_false", help="measure flowstone and the floors only")
    parser.add_argument("--rival-size-max", type=int, default=10_000, help="rivals are left out at larger sizes (10000)")
    parser.add_argument("--binary", type=Path, default=BINARY, help="the flowstone to measure")
    parser.add_argument("--folder", type=Path, help="where the projects lie while they are measured (the system's)")
    parser.add_argument("--out", type=Path, default=OUT, help="where figures, tables and plots go (target/bench)")
    parser.add_argument("--from", dest="read", type=Path, help="show the figures of this file, and measure nothing")
    parser.add_argument("--publish", action="store_true", help="also put tables and plots into docs/benchmarks.md")
    return parser


def _measure(workloads: list[Workload], options: argparse.Namespace) -> dict:
    if not options.binary.exists():
        sys.exit(f"{options.binary} is not there: `cargo build --release` makes it")
    options.binary = options.binary.resolve()
    found = {"format": FORMAT, "machine": machine.describe(options.binary), "quick": options.quick, "failed": False,
             "workloads": {}}
    machine.warn_of_others(found["machine"]["others"])
    for workload in workloads:
        print(f"{workload.name}: {workload.title}", file=sys.stderr)
        with tempfile.TemporaryDirectory(prefix=f"flowstone-{workload.name}-", dir=options.folder) as folder:
            bench = Bench(workload, options, Path(folder))
            before = machine.others()
            _run(bench)
        found["workloads"][workload.name] = {
            "title": workload.title, "others": [before, machine.others()], "notes": bench.notes,
            "figures": [vars(figure) for figure in bench.figures],
        }
        found["failed"] |= bench.failed
        _keep(found, options.out)
    return found


def _run(bench: Bench) -> None:
    """Runs a workload. One that fails keeps what it has measured, says why, and does not cost the others."""
    try:
        bench.workload.run(bench)
    except (Failed, Missing, Differs, subprocess.CalledProcessError) as error:
        bench.note(f"**Failed**: {error}")
        bench.failed = True


def _keep(found: dict, folder: Path) -> None:
    """Written after every workload, so that a later one that fails does not cost the others."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "figures.json").write_text(json.dumps(found, indent=1) + "\n")


def main(workloads: list[Workload], about: str) -> None:
    """The command: `workloads` are those that it knows."""
    parser = _parser(workloads, about)
    options = parser.parse_args()
    chosen = workloads
    if only := getattr(options, "only", None):
        known = {workload.name: workload for workload in workloads}
        if unknown := [name for name in only.split(",") if name not in known]:
            parser.error(f"no such workload: {', '.join(unknown)}; there are {', '.join(known)}")
        chosen = [known[name] for name in only.split(",")]
    if options.publish and options.quick:
        parser.error(NOT_PUBLISHED)
    if options.read:
        found = json.loads(options.read.read_text())
        if found["format"] != FORMAT:
            parser.error(f"{options.read} has format {found['format']}, not {FORMAT}")
        if options.publish and found["quick"]:
            parser.error(NOT_PUBLISHED)
        chosen = [workload for workload in chosen if workload.name in found["workloads"]]
    else:
        found = _measure(chosen, options)
    sections = report.sections(found, chosen)
    report.write(sections, options.out)
    if options.publish:
        report.publish(sections, PAGE)
    print("\n\n".join(f"# {section.title}\n\n{section.text}" for section in sections))
    if found["failed"]:
        sys.exit("a workload failed: see its notes")
