#!/usr/bin/env python3
"""Workload W4: what one call costs, by the shape of its arguments and its result.

`host/sandbox/benches/calls` calls through the sandbox (in a fresh instance each time, and in one that is kept), natively, and
through wasmtime alone in an instance that is kept; memcpy moves the same bytes there and back. Figures are wall time of one thread, for a row.

    benches/calls/run.py [--repeat 5]
"""

import json
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from suite import cli, rivals
from suite.places import ROOT
from suite.workload import Bench, Metric, Workload

HERE = Path(__file__).resolve().parent
GUEST = HERE / "guest/Cargo.toml"
# Milliseconds of a round, of which the bench makes several for each figure.
ROUND, QUICK_ROUND = 100, 2


def component() -> Path:
    """The component of the benchmarks of calls and nodes."""
    return rivals.guest(GUEST, "calls_guest")


def run(bench: Bench) -> None:
    round_ms = str(QUICK_ROUND if bench.options.quick else ROUND)
    command = ["cargo", "bench", "--quiet", "-p", "flowstone-sandbox", "--bench", "calls", "--", component(), round_ms]
    for repeat in bench.repeats:
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
        found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        native = {line["shape"]: line["ns"] for line in found if line["way"] == "native"}
        for line in found:
            values = {"call": line["ns"]}
            if line["way"] != "native":
                values["above"] = line["ns"] - native[line["shape"]]
            bench.record(line["shape"], 1, repeat, values, line["way"])
    bench.note("flowstone is a call through the sandbox in a fresh instance, with its limits and its log; kept is the same in one "
               "instance (`instance = \"kept\"`). wasmtime alone keeps one instance for all calls and has no limits.")


CALLS = Workload(
    name="w4",
    title="One call",
    run=run,
    metrics=(Metric("call", "µs", 1e3, 2), Metric("above", "µs above native", 1e3, 2)),
    sizes=(1,),
    quick_sizes=(1,),
    what="row",
    floors=("flowstone, kept", "native", "memcpy", "wasmtime, typed and kept", "wasmtime, dynamic and kept"),
)

if __name__ == "__main__":
    cli.main([CALLS], __doc__)
