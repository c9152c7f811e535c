#!/usr/bin/env python3
"""Workload W2: the HTML documentation of the Rust toolchain, about 48,000 pages, as two tables.

The floors: `find` lists the pages with their sizes and times, and a native program reads and hashes them (BLAKE3, one
thread), as b3sum does.

    cargo build --release && benches/pages/run.py [--repeat 3]
"""

import shutil
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from documents.contenders import FLOOR
from suite import cli, rivals
from suite.figures import FLOWSTONE
from suite.places import ROOT
from suite.process import measure, size_of
from suite.workload import CPU, MEMORY, WALL, Bench, Metric, Workload

DOCUMENTATION = "share/doc/rust/html"
# A part of it, for a quick look.
PART = "book"


def documentation() -> Path:
    done = subprocess.run(["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True)
    return Path(done.stdout.strip()) / DOCUMENTATION


def lay_out(project: Path) -> None:
    """The example's flow beside its component: nothing is written into the example's folder."""
    project.mkdir()
    flow = (ROOT / "examples/rust-docs/flow.toml").read_text()
    flow = rivals.replaced(flow, 'source = "../../plugins/html"', 'component = "html.wasm"')
    (project / "flow.toml").write_text(flow)
    shutil.copy(rivals.plugin("html"), project / "html.wasm")


def run(bench: Bench) -> None:
    pages = documentation() / PART if bench.options.quick else documentation()
    if not pages.is_dir():
        bench.note(f"There is no documentation in {pages}: `rustup component add rust-docs` brings it.")
        return
    floors = {
        "find": ["find", pages, "-name", "*.html", "-type", "f", "-printf", "%p %s %T@\\n"],
        "read and hash": [rivals.crate(FLOOR, "floor"), "hash", pages, "html"],
    }
    size = len(measure(floors["find"]).output.splitlines())
    # Once to have all pages in the memory of the kernel: what is measured is work, not the disk.
    measure(floors["read and hash"])
    for repeat in bench.repeats:
        with bench.temporary() as name:
            project = Path(name) / "project"
            lay_out(project)
            command = [bench.binary, "run", project, "--set", f"root={pages}", "--quiet"]
            for case in ("first run", "no change"):
                for floor, words in floors.items():
                    bench.record(case, size, repeat, measure(words).values(), floor)
                values = measure(command).values()
                bench.record(case, size, repeat, {**values, "store": size_of(project / ".flowstone")}, FLOWSTONE)


PAGES = Workload(
    name="w2",
    title="The Rust documentation",
    run=run,
    metrics=(CPU, WALL, MEMORY, Metric("store", "store MB", 1e6, 0)),
    sizes=(),
    quick_sizes=(),
    what="pages",
    floors=("find", "read and hash"),
)

if __name__ == "__main__":
    cli.main([PAGES], __doc__)
