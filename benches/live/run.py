#!/usr/bin/env python3
"""Workload W6: how long after a file is saved its rows are in SQLite, while many files are watched.

The flow of W1 under `flowstone watch`, and under CocoIndex's live mode; each watches the same folder alone, one after the
other in every repeat. A single edit is timed from before the file is written; a burst of new files from before the first.

    cargo build --release && benches/live/run.py [--sizes 10000] [--repeat 3]
"""

import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from documents.contenders import CocoIndex, lay_out
from documents.corpus import Corpus, Writer
from suite import cli
from suite.figures import FLOWSTONE
from suite.process import cpu_seconds, status_bytes
from suite.workload import MEMORY, Bench, Differs, Metric, Workload

EDITS, QUICK_EDITS = 50, 5
BURST, QUICK_BURST = 500, 20
IDLE_S, QUICK_IDLE_S = 10, 1
# Rows that are not there after so long will not come.
WAIT_S_MAX = 600


class Table:
    """The target, as another program reads it."""

    def __init__(self, database: Path):
        self.database = database
        self.connection: sqlite3.Connection | None = None

    def ask(self, query: str, *arguments: object) -> object:
        """The first value; None while there is no table or it is locked."""
        try:
            if not self.connection:
                # Not made by the one who asks.
                self.connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
            row = self.connection.execute(query, arguments).fetchone()
            return row[0] if row else None
        except sqlite3.OperationalError:
            return None

    def wait(self, right: Callable[[object], bool], process: subprocess.Popen, query: str, *arguments: object) -> None:
        end = time.monotonic() + WAIT_S_MAX
        while not right(self.ask(query, *arguments)):
            if process.poll() is not None or time.monotonic() > end:
                raise Differs(f"{process.args} did not bring the rows: {query}")
            time.sleep(0.001)


def flowstone(bench: Bench, folder: Path, docs: Path) -> tuple[list, Path, Path, dict]:
    """The command, where it runs, its table, and its environment."""
    lay_out(folder, docs)
    return [bench.binary, "watch", folder, "--rescan", "10m", "--quiet"], folder, folder / "out/chunks.db", {}


def cocoindex(folder: Path, docs: Path) -> tuple[list, Path, Path, dict]:
    flow = CocoIndex(folder, docs)
    return [flow.python, "flow.py", "live"], folder, flow.database, flow.environment


def watched(bench: Bench, contender: str, started: tuple[list, Path, Path, dict], corpus: Corpus, repeat: int) -> None:
    """Everything with one contender: from its first round to its end."""
    command, folder, database, environment = started
    quick, files = bench.options.quick, len(corpus.files)
    writer, table = Writer(repeat), Table(database)

    def record(case: str, seconds: float) -> None:
        bench.record(case, files, repeat, {"wall": seconds}, contender)

    with open(folder / "log", "w") as log:
        process = subprocess.Popen([str(word) for word in command], cwd=folder, env={**os.environ, **environment},
                                   stdout=log, stderr=log)
        try:
            table.wait(lambda count: count == files, process, "SELECT count(DISTINCT path) FROM chunk")
            # The first round is over a little after its last row.
            time.sleep(2)
            times = edits(table, process, corpus, writer, QUICK_EDITS if quick else EDITS)
            record("one edit, median", statistics.median(times))
            record("one edit, the slowest of ten", statistics.quantiles(times, n=10)[-1])
            record("burst of new files", burst(table, process, corpus, writer, QUICK_BURST if quick else BURST))
            time.sleep(2)
            idle, before = QUICK_IDLE_S if quick else IDLE_S, cpu_seconds(process.pid)
            time.sleep(idle)
            values = {"idle": (cpu_seconds(process.pid) - before) / idle, "memory": status_bytes(process.pid, "VmHWM")}
            bench.record("idle", files, repeat, values, contender)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def edits(table: Table, process: subprocess.Popen, corpus: Corpus, writer: Writer, count: int) -> list[float]:
    """Seconds of each of so many edits, with pauses between."""
    chance, times = random.Random(count), []
    query = "SELECT text FROM chunk WHERE path = ? AND ordinal = 0"
    for number, path in enumerate(chance.sample(corpus.files, count)):
        time.sleep(0.25 + chance.random() / 4)
        mark, text = f"Edit{number}", writer.text()
        start = time.monotonic()
        path.write_text(f"{mark} {text}")
        table.wait(lambda found: bool(found) and found.startswith(mark), process, query,
                   path.relative_to(corpus.folder).as_posix())
        times.append(time.monotonic() - start)
    return times


def burst(table: Table, process: subprocess.Popen, corpus: Corpus, writer: Writer, count: int) -> float:
    """Seconds until the rows of so many new files in a new folder are there."""
    folder = corpus.folder / "burst"
    texts = [writer.text() for _ in range(count)]
    start = time.monotonic()
    folder.mkdir()
    for number, text in enumerate(texts):
        (folder / f"{number:04}.txt").write_text(text)
    query = "SELECT count(DISTINCT path) FROM chunk WHERE path >= 'burst/' AND path < 'burst0'"
    table.wait(lambda found: found == count, process, query)
    return time.monotonic() - start


def run(bench: Bench) -> None:
    for files in bench.sizes:
        for repeat in bench.repeats:
            names = [FLOWSTONE, *([CocoIndex.name] if bench.meets_rivals(files) else [])]
            for name in names if repeat % 2 == 0 else reversed(names):
                with bench.temporary() as folder:
                    corpus = Corpus(Path(folder) / "docs", files)
                    place = Path(folder) / "project"
                    if name == FLOWSTONE:
                        started = flowstone(bench, place, corpus.folder)
                    else:
                        started = bench.rival(name, lambda: cocoindex(place, corpus.folder))
                    if started:
                        watched(bench, name, started, corpus, repeat)


LIVE = Workload(
    name="w6",
    title="A flow that is watched",
    run=run,
    metrics=(Metric("wall", "ms", 1e-3, 0), Metric("idle", "CPU ms in a second", 1e-3, 1), MEMORY),
    sizes=(10_000,),
    quick_sizes=(200,),
    what="files",
)

if __name__ == "__main__":
    cli.main([LIVE], __doc__)
