#!/usr/bin/env python3
"""Changing a few of very many members of one combined group: how many calls that asks for, and what it costs.

    cargo build --release
    benches/meet/combine.py --rows 1000000 --change 10

The members are the records of one CSV file, each put into the total by `shop.worth` and `shop.add`. Prints a Markdown table.
"""

import argparse
import json
import random
import shutil
import sqlite3
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from suite import rivals
from suite.places import BINARY
from suite.process import measure, size_of

FLOW = """
name = "combine"

[plugin.shop]
component = "shop.wasm"

[source.product]
kind = "csv"
path = "products.csv"
key = "id"

[reduce.worth]
call = "shop.worth"
over = "product"
by = []
from = { offer = "product.price" }
combine = "shop.add"

[target.total]
kind = "sqlite"
path = "out/total.db"
table = "total"
rows = "worth"
key = ["products"]
columns = { products = "worth.products", pieces = "worth.pieces", cents = "worth.cents" }
"""


def write(path, rows):
    with open(path, "w") as file:
        file.write("id,price,pieces\n")
        file.writelines(f"{number:08},{price},{pieces}\n" for number, (price, pieces) in enumerate(rows))


def run(binary, folder):
    """One run of the flow: its report, its CPU seconds, its peak memory in MB."""
    cost = measure([binary, "run", folder, "--json", "--no-gc"])
    return json.loads(cost.output), cost.cpu, cost.memory / 1e6


def total(rows):
    return [len(rows), sum(pieces for _, pieces in rows), sum(price * pieces for price, pieces in rows)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--change", type=int, default=10)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--binary", type=Path, default=BINARY)
    arguments = parser.parse_args()
    chance = random.Random(7)
    rows = [(chance.randrange(1, 100_000), chance.randrange(1, 100)) for _ in range(arguments.rows)]
    folder = Path(tempfile.mkdtemp(prefix="flowstone-combine-"))
    try:
        shutil.copy(rivals.plugin("shop"), folder / "shop.wasm")
        (folder / "flow.toml").write_text(FLOW)
        print(f"{arguments.rows:,} members of one group\n")
        print("| run | calls of `worth` | calls of `add` | wall, s | CPU, s | peak, MB |")
        print("| --- | --- | --- | --- | --- | --- |")
        for number in range(arguments.times + 2):
            if number == 1:
                name = "no change"
            elif number > 1:
                name = f"{arguments.change} changed"
                for at in chance.sample(range(len(rows)), arguments.change):
                    rows[at] = (chance.randrange(1, 100_000), chance.randrange(1, 100))
            else:
                name = "first"
            if number != 1:
                write(folder / "products.csv", rows)
            report, cpu, peak = run(arguments.binary, folder)
            calls = [report["transforms"][name]["called"] for name in ("worth", "worth.combine")]
            print(f"| {name} | {calls[0]:,} | {calls[1]:,} | {report['seconds']:.2f} | {cpu:.2f} | {peak:.0f} |", flush=True)
            query = "select products, pieces, cents from total"
            found = list(sqlite3.connect(folder / "out/total.db").execute(query).fetchone())
            assert found == total(rows), (found, total(rows))
        size = size_of(folder / ".flowstone")
        print(f"\nThe store takes {size / 1e6:,.0f} MB.")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
