#!/usr/bin/env python3
"""Growth: what a first run, a run without a change and a run after one change take, from 1,000 to 1,000,000 rows.

The rows are records of one CSV file, with a call for each and a row in SQLite; and up to 100,000 of them, also files of a
folder. Time should be linear in what changed, and memory flat.

    cargo build --release && benches/growth/run.py [--sizes 1000,10000] [--repeat 3]
"""

import json
import shutil
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from calls.run import component
from suite import cli
from suite.process import measure, size_of
from suite.workload import CPU, MEMORY, WALL, Bench, Differs, Metric, Workload

FILES_MAX = 100_000
SETTLE_S = 0.1

FLOW = """
name = "growth"

[plugin.calls]
component = "calls.wasm"

[source.item]
{source}

[transform.words]
call = "calls.words"
each = "item"
from = {{ text = "item.{text}" }}

[target.index]
kind = "sqlite"
path = "out/growth.db"
table = "item"
rows = "item"
key = ["{key}"]
columns = {{ {key} = "item.{key}", words = "words" }}
"""


def text(number: int, more: str = "") -> str:
    return f"row {number} has a few words of its own {'and some more ' * (number % 5)}{more}"


class Records:
    """One CSV file."""

    name = "records"
    flow = FLOW.format(source='kind = "csv"\npath = "items.csv"\nkey = "id"', text="text", key="id")

    def __init__(self, folder: Path, rows: int):
        self.path, self.rows = folder / "items.csv", rows
        self._write("")

    def change_one(self) -> None:
        self._write("changed")

    def _write(self, first: str) -> None:
        with self.path.open("w") as file:
            file.write("id,text\n")
            file.writelines(f"{row:08},{text(row, '' if row else first)}\n" for row in range(self.rows))


class Files:
    """A folder, a hundred files in each folder below it."""

    name = "files"
    flow = FLOW.format(source='kind = "files"\nroot = "docs"', text="content", key="path")

    def __init__(self, folder: Path, rows: int):
        self.folder = folder / "docs"
        for row in range(rows):
            path = self._path(row)
            if row % 100 == 0:
                path.parent.mkdir(parents=True)
            path.write_text(text(row))

    def _path(self, row: int) -> Path:
        return self.folder / f"{row // 100:06}" / f"{row:08}.txt"

    def change_one(self) -> None:
        self._path(0).write_text(text(0, "changed"))


def one_pass(bench: Bench, folder: Path, kind: type[Records] | type[Files], rows: int, repeat: int) -> None:
    shutil.copy(component(), folder / "calls.wasm")
    (folder / "flow.toml").write_text(kind.flow)
    source = kind(folder, rows)

    def phase(case: str, called: int) -> None:
        # What was written just now may change again within the tick of the clock.
        time.sleep(SETTLE_S)
        cost = measure([bench.binary, "run", folder, "--json", "--quiet"])
        found = sum(counts["called"] for counts in json.loads(cost.output)["transforms"].values())
        if found != called:
            raise Differs(f"{case}: {found} calls, not {called}")
        values = {**cost.values(), "store": size_of(folder / ".flowstone")}
        bench.record(f"{kind.name}, {case}", rows, repeat, values)

    phase("first run", rows)
    phase("no change", 0)
    source.change_one()
    phase("one changed", 1)


def run(bench: Bench) -> None:
    for rows in bench.sizes:
        for repeat in bench.repeats:
            for kind in (Records, Files):
                if kind is Files and rows > FILES_MAX:
                    bench.note(f"Files are measured up to {FILES_MAX:,}.")
                    continue
                with bench.temporary() as folder:
                    one_pass(bench, Path(folder), kind, rows, repeat)


GROWTH = Workload(
    name="growth",
    title="Growth",
    run=run,
    metrics=(CPU, WALL, MEMORY, Metric("store", "store MB", 1e6, 1)),
    sizes=(1_000, 10_000, 100_000, 1_000_000),
    quick_sizes=(100, 1_000),
    what="rows",
    growth=tuple(f"{kind}, {case}" for kind in ("records", "files") for case in ("first run", "no change", "one changed")),
)

if __name__ == "__main__":
    cli.main([GROWTH], __doc__)
