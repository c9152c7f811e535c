#!/usr/bin/env python3
"""How long after a file is saved its rows are in SQLite, while many files are watched; and a burst of new files.

    cargo build --release -p flowstone-cli
    cargo build --release --target wasm32-wasip2 -p text
    benches/live/latency.py [--files 10000] [--edits 50] [--burst 500]
"""

import argparse
import random
import signal
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path

from common import BINARY, PLUGIN, Watch, lay_out, text


def first_chunk(database: sqlite3.Connection, path: str) -> str:
    row = database.execute("SELECT text FROM chunk WHERE path = ? AND ordinal = 0", (path,)).fetchone()
    return row[0] if row else ""


def edit(docs: Path, database: sqlite3.Connection, name: str, content: str) -> float:
    """Saves a file and waits for its rows."""
    mark = content.split(" ", 1)[0]
    start = time.monotonic()
    (docs / name).write_text(content)
    while not first_chunk(database, name).startswith(mark):
        time.sleep(0.001)
        if time.monotonic() - start > 60:
            raise SystemExit(f"{name} is not in the table after a minute")
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--edits", type=int, default=50)
    parser.add_argument("--burst", type=int, default=500)
    parser.add_argument("--binary", type=Path, default=BINARY)
    parser.add_argument("--plugin", type=Path, default=PLUGIN)
    arguments = parser.parse_args()
    rng = random.Random(20261122)
    with tempfile.TemporaryDirectory(prefix="flowstone-live-") as folder:
        docs, project = Path(folder) / "docs", Path(folder) / "project"
        names = [f"{number % 100:02}/{number:06}.txt" for number in range(arguments.files)]
        for name in names:
            (docs / name).parent.mkdir(parents=True, exist_ok=True)
            (docs / name).write_text(text(rng))
        lay_out(project, arguments.plugin, docs)
        watch = Watch(arguments.binary, project, "--rescan", "10m")
        first = watch.until("round")
        database = sqlite3.connect(project / "out/chunks.db")
        print(f"{arguments.files} files watched; the first round took {first['seconds']:.1f} s")
        times = []
        for number, name in enumerate(rng.sample(names, arguments.edits)):
            time.sleep(0.25 + rng.random() / 4)
            times.append(edit(docs, database, name, f"Edit{number} " + text(rng)))
        times.sort()
        print(f"one edit, {len(times)} times: median {statistics.median(times) * 1e3:.0f} ms, "
              f"90 % {times[len(times) * 9 // 10] * 1e3:.0f} ms, most {times[-1] * 1e3:.0f} ms")
        time.sleep(1)
        (docs / "burst").mkdir()
        start = time.monotonic()
        for number in range(arguments.burst):
            (docs / f"burst/{number:04}.txt").write_text(text(rng))
        written = time.monotonic() - start
        count = "SELECT count(DISTINCT path) FROM chunk WHERE path >= 'burst/' AND path < 'burst0'"
        while database.execute(count).fetchone()[0] < arguments.burst:
            time.sleep(0.005)
        print(f"a burst of {arguments.burst} new files: {time.monotonic() - start:.2f} s after the first "
              f"was written, {time.monotonic() - start - written:.2f} s after the last")
        time.sleep(1)
        cpu = watch.cpu_seconds()
        time.sleep(10)
        print(f"idle: {(watch.cpu_seconds() - cpu) * 1e3:.0f} ms of CPU in 10 s, "
              f"{watch.status('VmRSS') / 1e6:.0f} MB now, {watch.status('VmHWM') / 1e6:.0f} MB at most")
        watch.process.send_signal(signal.SIGTERM)
        watch.until("stopped")
        print(f"stopped with status {watch.process.wait()}")


if __name__ == "__main__":
    main()
