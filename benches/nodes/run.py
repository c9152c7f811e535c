#!/usr/bin/env python3
"""Workload W3: what a node costs that does next to nothing, when it is called and when its result is remembered.

A chain of 100 and a fan of 1,000 transforms over a few rows, so that they cost more than a process varies by itself; and one
transform over many rows. In the last run every row has another note, which no call takes: so every row is worked on, and every
call is a hit. Of flowstone it is the CPU time of the whole process, less that of a run in which nothing changed; of Hamilton, to
which each row is an execution, that of the executions alone.

    cargo build --release && benches/nodes/run.py [--sizes 100000] [--repeat 3]
"""

import json
import shutil
import sqlite3
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from calls.run import component
from suite import cli, rivals
from suite.process import measure
from suite.workload import Bench, Differs, Metric, Workload

HERE = Path(__file__).resolve().parent
CHAIN, FAN = 100, 1_000
HAMILTON = "apache-hamilton==1.90.*"
# So many nodes are enough to time it.
HAMILTON_NODES_MAX = 2_000
TURNS = 3
# Values are so far apart that no two rows of a chain make the same call.
STRIDE = 1_000

FLOW = """
name = "nodes"

[plugin.calls]
component = "calls.wasm"

[source.item]
kind = "csv"
path = "items.csv"
key = "id"
"""
STEP = """
[transform.{name}]
call = "calls.step"
each = "item"
from = {{ value = "{takes}" }}
with = {{ by = {by} }}
"""
TARGET = """
[target.index]
kind = "sqlite"
path = "out/nodes.db"
table = "item"
rows = "item"
key = ["id"]
columns = {{ id = "item.id", note = "item.note", {columns} }}
"""


@dataclass(frozen=True)
class Shape:
    """Transforms by name, with what each takes and adds; over so many rows; and which are kept."""

    name: str
    steps: list[tuple[str, str, int]]
    wanted: list[str]
    rows: int

    def flow(self) -> str:
        steps = "".join(STEP.format(name=name, takes=takes, by=by) for name, takes, by in self.steps)
        return FLOW + steps + TARGET.format(columns=", ".join(f'{name} = "{name}"' for name in self.wanted))

    def nodes(self) -> int:
        return len(self.steps) * self.rows

    def hamilton_rows(self) -> int:
        return min(self.rows, HAMILTON_NODES_MAX // len(self.steps))


def shapes(rows: int) -> list[Shape]:
    chain = [(f"n{at}", f"n{at - 1}" if at else "item.value", 1) for at in range(CHAIN)]
    fan = [(f"n{at}", "item.value", at) for at in range(FAN)]
    return [
        Shape(f"chain of {CHAIN}", chain, [f"n{CHAIN - 1}"], max(rows // 1_000, 1)),
        Shape(f"fan of {FAN:,}", fan, [name for name, _, _ in fan], max(rows // 10_000, 1)),
        Shape("one over the rows", [("n0", "item.value", 1)], ["n0"], rows),
    ]


def write_items(project: Path, rows: int, note: str) -> None:
    with (project / "items.csv").open("w") as file:
        file.write("id,value,note\n")
        file.writelines(f"{number:08},{number * STRIDE + 1},{note}\n" for number in range(rows))


def flowstone(bench: Bench, project: Path, shape: Shape) -> tuple[dict[str, dict[str, float]], int]:
    """CPU of a first run, of one without a change and of one with nothing but hits; and the sum of all results."""
    project.mkdir()
    shutil.copy(component(), project / "calls.wasm")
    (project / "flow.toml").write_text(shape.flow())

    def run(called: int, reused: int) -> float:
        cost = measure([bench.binary, "run", project, "--json", "--quiet", "--no-gc"])
        counts = json.loads(cost.output)["transforms"].values()
        found = tuple(sum(count[what] for count in counts) for what in ("called", "reused"))
        if found != (called, reused):
            raise Differs(f"{shape.name}: (called, reused) are {found}, not {(called, reused)}")
        return cost.cpu

    # A row of its own at first: compiling the component is no part of a node's cost.
    (project / "items.csv").write_text(f"id,value,note\nfirst,{shape.rows * STRIDE + 1},first\n")
    run(len(shape.steps), 0)
    write_items(project, shape.rows, "first")
    first = run(shape.nodes(), 0)
    idle, hits = [], []
    for turn in range(TURNS):
        idle.append(run(0, 0))
        write_items(project, shape.rows, f"later {turn}")
        hits.append(run(0, shape.nodes()))
    idle = statistics.median(idle)
    database = sqlite3.connect(project / "out/nodes.db")
    total = sum(sum(row) for row in database.execute(f"SELECT {', '.join(shape.wanted)} FROM item"))
    database.close()
    each = {"first run": first, "all hits": statistics.median(hits)}
    return {case: {"node": (cpu - idle) / shape.nodes(), "cpu": cpu} for case, cpu in each.items()}, total


def hamilton(python: Path, folder: Path, shape: Shape) -> tuple[dict[str, dict[str, float]], int]:
    """The same with Hamilton, in a process for each run."""
    folder.mkdir()
    rows, found, total = shape.hamilton_rows(), {}, 0
    for case in ("first run", "all hits"):
        arguments = [shape.name.split()[0], len(shape.steps), rows, STRIDE]
        said = json.loads(measure([python, HERE / "hamilton_flow.py", *arguments], folder).output)
        found[case], total = {"node": said["cpu"] / (rows * len(shape.steps))}, said["sum"]
    return found, total


def record(bench: Bench, rows: int, repeat: int, shape: Shape, contender: str, found: dict) -> None:
    for case, values in found.items():
        bench.record(f"{shape.name}, {case}", rows, repeat, values, contender)


def one_pass(bench: Bench, folder: Path, rows: int, repeat: int, python: Path | None) -> None:
    for shape in shapes(rows):
        found, total = flowstone(bench, folder / f"flowstone {shape.name}", shape)
        record(bench, rows, repeat, shape, "flowstone", found)
        if python:
            theirs, sums = hamilton(python, folder / f"hamilton {shape.name}", shape)
            if shape.hamilton_rows() == shape.rows and sums != total:
                raise Differs(f"{shape.name}: flowstone's results add up to {total}, Hamilton's to {sums}")
            record(bench, rows, repeat, shape, "Hamilton", theirs)


def run(bench: Bench) -> None:
    python = bench.rival("Hamilton", lambda: rivals.python(HAMILTON))
    for rows in bench.sizes:
        if python:
            bench.note(f"To Hamilton each row is an execution, and it is given at most {HAMILTON_NODES_MAX:,} nodes.")
        for repeat in bench.repeats:
            with bench.temporary() as folder:
                one_pass(bench, Path(folder), rows, repeat, python)


NODES = Workload(
    name="w3",
    title="Node overhead",
    run=run,
    metrics=(Metric("node", "CPU µs for a node", 1e-6, 1), Metric("cpu", "CPU s of the run", digits=3)),
    sizes=(100_000,),
    quick_sizes=(1_000,),
    what="rows",
)

if __name__ == "__main__":
    cli.main([NODES], __doc__)
