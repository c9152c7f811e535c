#!/usr/bin/env python3
"""Workload W5: counting the words of 1 KB payloads in batches of 500, next to NumaFlow's own batch map servers.

What is in the figures, all by the row:

- calls: of flowstone, the CPU time of a run that remembers nothing and calls for all rows, less that of the same run of the
  same flow without the transform, which reads and writes the payloads all the same; so it is all that calls bring with
  them, threads and instances too. Of a server, its own CPU time while a client sends: it takes messages from the socket,
  counts, and sends the answers.
- all: of flowstone, the CPU time of that run as a whole, which reads a CSV file and writes a table. Of a server, with the
  CPU time of the client, which reads the payloads from a file and adds up the answers.
- first run: the same of flowstone, remembering every result.

    cargo build --release && benches/batch/run.py [--sizes 50000] [--repeat 3]
"""

import json
import random
import shutil
import sqlite3
import statistics
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from batch.servers import HERE, Load, python_server, rust_server, served
from suite import cli, rivals
from suite.figures import FLOWSTONE
from suite.process import measure
from suite.workload import Bench, Differs, Metric, Workload

BATCH = 500
BYTES = 1024
# One run is too noisy to tell what is added to another: of each flow it is the median of so many.
TURNS = 5
CASES = {"in batches": ("word-counts", f"batch = {{ rows = {BATCH} }}"), "one by one": ("word-count", "")}

FLOW = """
name = "words"

[plugin.words]
component = "words.wasm"

[source.item]
kind = "csv"
path = "items.csv"
key = "id"
{transform}
[target.index]
kind = "sqlite"
path = "out/words.db"
table = "item"
rows = "item"
key = ["id"]
columns = {{ id = "item.id", text = "item.text", {column} }}
"""
TRANSFORM = """
[transform.words]
call = "words.{function}"
each = "item"
{settings}
cache = {{ mode = "{mode}" }}
"""


def payloads(rows: int) -> list[str]:
    """Texts of 1 KB, all different, the same for the same number of rows."""
    rng = random.Random(20261122)
    words = ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randint(2, 9))) for _ in range(5000)]
    texts = []
    for number in range(rows):
        text = f"{number} " + " ".join(rng.choices(words, k=BYTES // 4))
        texts.append(text[:BYTES])
    return texts


class Flow:
    """A flow over the payloads in a folder of its own, with or without a transform."""

    def __init__(self, bench: Bench, folder: Path, load: Load, transform: str = ""):
        self.binary, self.folder, self.load, self.calls = bench.binary, folder, load, bool(transform)
        folder.mkdir()
        # Without a transform, the place of the count in the table is taken by the key.
        column = 'words = "words"' if transform else 'words = "item.id"'
        (folder / "flow.toml").write_text(FLOW.format(transform=transform, column=column))
        shutil.copy(rivals.guest(HERE / "plugin/Cargo.toml", "words_plugin"), folder / "words.wasm")

    def cost(self) -> float:
        """CPU seconds of the first run over the payloads, for a row. The component was compiled before."""
        self._run(["to warm it up\n"])
        with self.load.payloads.open() as texts:
            cost, called = self._run(list(texts))
        if called != (self.load.rows if self.calls else 0):
            raise Differs(f"{called} rows were called for, not {self.load.rows}")
        if self.calls and (found := self._sum()) != self.load.total:
            raise Differs(f"flowstone counted {found} words, not {self.load.total}")
        return cost / self.load.rows

    def _run(self, texts: list[str]) -> tuple[float, int]:
        with (self.folder / "items.csv").open("w") as items:
            items.write("id,text\n")
            items.writelines(f"{number:08},{text}" for number, text in enumerate(texts))
        cost = measure([self.binary, "run", self.folder, "--json", "--quiet", "--no-gc"])
        return cost.cpu, sum(counts["called"] for counts in json.loads(cost.output)["transforms"].values())

    def _sum(self) -> int:
        database = sqlite3.connect(self.folder / "out/words.db")
        found = database.execute("SELECT sum(words) FROM item").fetchone()[0]
        database.close()
        return found


def flowstone(bench: Bench, folder: Path, load: Load, repeat: int) -> None:
    flows = {("without", ""): ""}
    for case, (function, settings) in CASES.items():
        for mode in ("disable", "default"):
            flows[case, mode] = TRANSFORM.format(function=function, settings=settings, mode=mode)
    costs = {flow: [] for flow in flows}
    for turn in range(TURNS):
        for number, (flow, transform) in enumerate(flows.items()):
            costs[flow].append(Flow(bench, folder / f"{turn}-{number}", load, transform).cost())
    median = {flow: statistics.median(found) for flow, found in costs.items()}
    for case in CASES:
        forgets, first = median[case, "disable"], median[case, "default"]
        calls = forgets - median["without", ""]
        bench.record(case, load.rows, repeat, {"calls": calls, "all": forgets, "first": first}, FLOWSTONE)


def run(bench: Bench) -> None:
    servers = {}
    for name, make in (("pynumaflow", python_server), ("numaflow (Rust)", rust_server)):
        if command := bench.rival(name, make):
            servers[name] = command
    for rows in bench.sizes:
        texts = payloads(rows)
        path = bench.folder / f"payloads-{rows}.txt"
        path.write_text("".join(f"{text}\n" for text in texts))
        load = Load(path, rows, BATCH, sum(len(text.split()) for text in texts))
        for repeat in bench.repeats:
            with bench.temporary() as folder:
                flowstone(bench, Path(folder), load, repeat)
            for name, command in servers.items():
                bench.record("in batches", rows, repeat, served(command, load), name)


BATCHES = Workload(
    name="w5",
    title="Many rows in a call",
    run=run,
    metrics=(
        Metric("calls", "CPU µs of calls for a row", 1e-6, 1),
        Metric("all", "CPU µs of all for a row", 1e-6, 1),
        Metric("first", "CPU µs of a first run for a row", 1e-6, 1),
        Metric("rate", "rows a second", digits=0),
    ),
    sizes=(50_000,),
    quick_sizes=(2_000,),
    what="rows",
)

if __name__ == "__main__":
    cli.main([BATCHES], __doc__)
