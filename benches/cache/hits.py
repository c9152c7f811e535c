#!/usr/bin/env python3
"""What a hit costs: 100,000 remembered calls looked up in one run, as one row each and as a hundred below each row.

A setting that changes no result makes the second run work on every row and call nothing. Its CPU time, less that of a
run in which nothing changed, is divided by the hits: reading lineage, keys and memo, and writing the rows' new records,
all in.

    cargo build --release && benches/cache/hits.py [--hits 100000] [--repeat 3]
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from suite import process
from suite.places import BINARY, ROOT

FLOW = """
name = "hits"

[plugin.text]
source = "{plugin}"

[source.page]
kind = "files"
root = "docs"
on-error = "{on_error}"

[transform.token]
call = "text.tokens"
each = "page"
rows = true
from = {{ text = "page.content" }}

[transform.words]
call = "text.word-count"
each = "token"
from = {{ text = "token" }}

[target.index]
kind = "sqlite"
path = "out/hits.db"
table = "token"
rows = "token"
key = ["path", "token"]
columns = {{ path = "page.path", token = "token", words = "words" }}
"""


def run(binary: Path, folder: Path, on_error: str) -> tuple[float, dict]:
    """One run: its CPU seconds and its report."""
    text = FLOW.format(plugin=ROOT / "plugins/text", on_error=on_error)
    (folder / "flow.toml").write_text(text)
    cost = process.measure([binary, "run", folder, "--json", "--quiet"])
    return cost.cpu, json.loads(cost.output)


def measure(binary: Path, hits: int, rows: int, repeat: int) -> dict:
    """Microseconds for a hit, with so many root rows."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        each = hits // rows
        for number in range(rows):
            path = folder / "docs" / f"{number % 100:02}" / f"{number:06}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(" ".join(f"t{number * each + token}" for token in range(each)))
        run(binary, folder, "keep")
        figures = []
        for turn in range(repeat):
            idle, _ = run(binary, folder, "keep" if turn % 2 == 0 else "drop")
            busy, report = run(binary, folder, "drop" if turn % 2 == 0 else "keep")
            counts = report["transforms"]
            if any(counts[name]["called"] for name in counts):
                sys.exit(f"something was called: {counts}")
            reused = sum(counts[name]["reused"] for name in counts)
            figures.append((busy - idle) / reused * 1e6)
        return {"rows": rows, "hits": reused, "us": statistics.median(figures), "spread": max(figures) - min(figures)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--hits", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--binary", type=Path, default=BINARY)
    args = parser.parse_args()
    subprocess.run([args.binary, "inspect", str(ROOT / "plugins/text")], stdout=subprocess.DEVNULL, check=True)
    print("| root rows | hits | CPU microseconds for a hit (spread) |\n| --- | --- | --- |")
    for rows in (args.hits // 100, args.hits // 10, args.hits):
        figure = measure(args.binary, args.hits, rows, args.repeat)
        print(f"| {figure['rows']} | {figure['hits']} | {figure['us']:.2f} ({figure['spread']:.2f}) |")


if __name__ == "__main__":
    main()
