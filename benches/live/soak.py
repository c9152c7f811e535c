#!/usr/bin/env python3
"""Random edits under `flowstone watch`, with kill -9 in between; at the end the table must equal that of a fresh build.

    cargo build --release
    benches/live/soak.py [--minutes 10] [--files 2000] [--seed 1] [--no-kills] [--memory 64MiB]
"""

import argparse
import queue
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from documents.contenders import lay_out
from documents.corpus import Writer
from live.common import Watch
from suite.places import BINARY
from suite.process import size_of


def table(project: Path) -> list:
    database = sqlite3.connect(project / "out/chunks.db")
    return database.execute("SELECT * FROM chunk ORDER BY path, ordinal").fetchall()


class Folder:
    """The documents, and what is done to them."""

    def __init__(self, docs: Path, rng: random.Random, files: int):
        self.docs, self.rng, self.fresh = docs, rng, files
        self.writer = Writer(rng.randrange(1 << 32))
        for number in range(files):
            self.write(f"{number % 20}/{number}.txt")

    def write(self, name: str) -> None:
        path = self.docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.writer.text(self.rng.randint(0, 4000)))

    def some(self) -> Path | None:
        files = [path for path in self.docs.rglob("*") if path.is_file()]
        return self.rng.choice(files) if files else None

    def step(self) -> str:
        """One edit of some kind."""
        what = self.rng.choices(
            ["edit", "add", "remove", "rename", "replace", "touch", "burst", "move folder", "move out"],
            [40, 15, 12, 8, 8, 5, 3, 3, 2])[0]
        path = self.some()
        if what == "add" or path is None:
            self.fresh += 1
            self.write(f"{self.rng.randint(0, 25)}/{self.fresh}.txt")
        elif what == "edit":
            path.write_text(self.writer.text(self.rng.randint(0, 4000)))
        elif what == "remove":
            path.unlink()
        elif what == "rename":
            self.fresh += 1
            path.rename(path.with_name(f"{self.fresh}.txt"))
        elif what == "replace":
            beside = path.with_name("." + path.name)
            beside.write_text(self.writer.text())
            beside.rename(path)
        elif what == "touch":
            path.touch()
        elif what == "burst":
            for _ in range(self.rng.randint(10, 60)):
                self.fresh += 1
                self.write(f"burst{self.rng.randint(0, 3)}/{self.fresh}.txt")
        elif what == "move folder":
            self.fresh += 1
            if path.parent != self.docs:
                path.parent.rename(self.docs / f"moved{self.fresh}")
        elif path.parent != self.docs:
            # Out of the folder and back, changed meanwhile.
            away = self.docs.parent / "away"
            path.parent.rename(away)
            (away / path.name).write_text(self.writer.text())
            self.fresh += 1
            away.rename(self.docs / f"back{self.fresh}")
        return what


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-kills", action="store_true", help="one long life, for its memory")
    parser.add_argument("--memory", default="512MiB", help="as of `flowstone watch`")
    parser.add_argument("--binary", type=Path, default=BINARY)
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="flowstone-soak-") as folder:
        docs, project = Path(folder) / "docs", Path(folder) / "project"
        documents = Folder(docs, rng, arguments.files)
        lay_out(project, docs)

        def start() -> Watch:
            watch = Watch(arguments.binary, project, "--rescan", "20s", "--memory", arguments.memory)
            watch.until("round")
            return watch

        watch = start()
        end = time.monotonic() + arguments.minutes * 60
        edits = kills = rounds = 0
        next_kill, next_sample = time.monotonic() + 40, time.monotonic() + 5
        memory, life = [], []
        while time.monotonic() < end:
            documents.step()
            edits += 1
            time.sleep(rng.random() * 0.15)
            now = time.monotonic()
            if now > next_sample:
                life.append(watch.resident())
                next_sample = now + 5
            if now > next_kill and not arguments.no_kills:
                # In the middle of work, most likely.
                documents.step()
                time.sleep(rng.random() * 0.1)
                watch.process.kill()
                watch.process.wait()
                memory.append(life)
                life, kills = [], kills + 1
                documents.step()
                watch = start()
                next_kill = now + rng.uniform(20, 120)
            while True:
                try:
                    rounds += watch.events.get_nowait()["event"] == "round"
                except queue.Empty:
                    break
        memory.append(life)
        # What is not told of is found by a full listing; two of them pass.
        time.sleep(45)
        watch.process.send_signal(signal.SIGTERM)
        watch.until("stopped")
        status = watch.process.wait()
        fresh = Path(folder) / "fresh"
        lay_out(fresh, docs)
        subprocess.run([str(arguments.binary), "run", str(fresh), "--quiet"], check=True)
        same = table(project) == table(fresh)
        checked = subprocess.run(
            [str(arguments.binary), "cache", "verify", str(project), "--quiet"],
            check=False, stdout=subprocess.DEVNULL).returncode
        store = size_of(project / ".flowstone")
        shutil.rmtree(docs)
    longest = max(memory, key=len)
    mb = [f"{sample / 1e6:.0f}" for sample in longest]
    print(f"{arguments.minutes:g} minutes: {edits} edits, {kills} kills, {rounds} rounds")
    print(f"memory of the longest life, every 5 s, in MB: {' '.join(mb)}")
    print(f"store: {store / 1e6:.0f} MB; it verifies with status {checked}; stopped with status {status}")
    print("the table equals that of a fresh build" if same else "THE TABLE DIFFERS FROM THAT OF A FRESH BUILD")
    sys.exit(0 if same and status == 0 else 1)


if __name__ == "__main__":
    main()
