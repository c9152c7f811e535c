#!/usr/bin/env python3
"""Counting the words of 1 KB payloads in batches of 500: flowstone, and NumaFlow's own batch map servers.

flowstone is measured as whole runs: CPU time of the process by the rows, with the time in calls beside it. The servers of
NumaFlow's SDKs answer a client over their Unix socket; what counts is the CPU time of the server alone. Payloads, counts
and batches are the same for all, and the sums of the counts are compared.

The peers are installed into `target/bench-batch`; one that cannot be had is said to be missing.

    cargo build --release && benches/batch/run.py [--rows 50000] [--repeat 3]
"""

import argparse
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PEERS = TARGET / "bench-batch"
BATCH = 500
BYTES = 1024

FLOW = """
name = "words"

[plugin.words]
source = "{plugin}"

[source.item]
kind = "csv"
path = "items.csv"
key = "id"

[transform.words]
call = "words.{function}"
each = "item"
{settings}

[target.index]
kind = "sqlite"
path = "out/words.db"
table = "item"
rows = "item"
key = ["id"]
columns = {{ id = "item.id", words = "words" }}
"""

BATCHED = f"batch = {{ rows = {BATCH} }}"


def payloads(rows: int) -> list[str]:
    """Texts of 1 KB, all different, the same for the same number of rows."""
    rng = random.Random(20261122)
    words = ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randint(2, 9))) for _ in range(5000)]
    texts = []
    for number in range(rows):
        text = f"{number} " + " ".join(rng.choices(words, k=BYTES // 4))
        texts.append(text[:BYTES])
    return texts


def flowstone_run(binary: str, folder: Path, function: str, settings: str) -> tuple[float, dict]:
    """One run: its CPU seconds and what it did with the transform."""
    text = FLOW.format(plugin=HERE / "plugin", function=function, settings=settings)
    (folder / "flow.toml").write_text(text)
    out = folder / "out.json"
    with out.open("wb") as stdout:
        command = [binary, "run", str(folder), "--json", "--quiet"]
        pid = os.posix_spawn(binary, command, dict(os.environ), file_actions=[
            (os.POSIX_SPAWN_DUP2, stdout.fileno(), 1),
        ])
        _, status, usage = os.wait4(pid, 0)
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit(f"the run failed: {out.read_text()}")
    return usage.ru_utime + usage.ru_stime, json.loads(out.read_text())["transforms"]["words"]


def flowstone(binary: str, texts: list[str], function: str, settings: str, total: int) -> tuple:
    """CPU microseconds for a row: of a first run, and of a run that remembers nothing and calls for all rows; and the
    time in calls of the latter, with its measures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "items.csv").open("w") as file:
            file.write("id,text\n")
            file.writelines(f"{number:08},{text}\n" for number, text in enumerate(texts))
        first, _ = flowstone_run(binary, folder, function, settings)
        database = sqlite3.connect(folder / "out/words.db")
        found = database.execute("SELECT sum(words) FROM item").fetchone()[0]
        database.close()
        if found != total:
            sys.exit(f"flowstone counted {found} words, not {total}")
        forgets = settings + "\ncache = { mode = \"disable\" }"
        flowstone_run(binary, folder, function, forgets)
        again, counts = flowstone_run(binary, folder, function, forgets)
    if counts["called"] != len(texts):
        sys.exit(f"{counts['called']} rows were called for, not {len(texts)}")
    each = 1e6 / len(texts)
    return first * each, again * each, counts["seconds"] * each, counts


def python_server() -> list[str] | str:
    """The command of the Python server; or why there is none."""
    python = PEERS / "venv/bin/python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", PEERS / "venv"], check=True)
        install = [python, "-m", "pip", "install", "--quiet", "pynumaflow==0.14.0"]
        subprocess.run(install, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"pynumaflow cannot be had: {getattr(error, 'stderr', None) or error}"
    return [str(python), str(HERE / "server.py")]


def rust_server() -> list[str] | str:
    """The command of the Rust server; or why there is none."""
    manifest = HERE / "numaflow/Cargo.toml"
    build = ["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", manifest]
    build += ["--target-dir", PEERS / "numaflow"]
    try:
        subprocess.run(build, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"the numaflow crate cannot be had: {getattr(error, 'stderr', None) or error}"
    return [str(PEERS / "numaflow/release/words-server")]


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def served(server: list[str], path: Path, rows: int, total: int) -> tuple[float, float]:
    """CPU microseconds of the server for a message, and messages a second."""
    with tempfile.TemporaryDirectory() as name:
        socket, info = f"{name}/map.sock", f"{name}/info"
        log = open(f"{name}/log", "w+")
        process = subprocess.Popen([*server, socket, info], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + 30
            while not Path(socket).exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    sys.exit(f"{server} does not serve: {log.read()}")
                time.sleep(0.05)
            client = [PEERS / "venv/bin/python", HERE / "client.py", socket]
            # Once to warm it up.
            subprocess.run([*client, str(BATCH * 4), str(BATCH), path], check=True, capture_output=True)
            before = cpu_seconds(process.pid)
            command = [*client, str(rows), str(BATCH), path]
            answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            cpu = cpu_seconds(process.pid) - before
        except subprocess.CalledProcessError as error:
            raise RuntimeError(str(error.stderr)[-300:]) from error
        finally:
            process.kill()
            process.wait()
            log.close()
    seconds, found = answer.split()
    if int(found) != total:
        sys.exit(f"{server} counted {found} words, not {total}")
    return cpu * 1e6 / rows, rows / float(seconds)


def shown(figures: list[float]) -> str:
    """The median, and the spread where there is one."""
    return f"{statistics.median(figures):.1f} ({min(figures):.1f} to {max(figures):.1f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--binary", default=str(TARGET / "release/flowstone"))
    arguments = parser.parse_args()
    PEERS.mkdir(parents=True, exist_ok=True)
    texts = payloads(arguments.rows)
    total = sum(len(text.split()) for text in texts)
    print(f"{arguments.rows} payloads of {BYTES} bytes, {BATCH} in a batch, median of {arguments.repeat}; "
          f"load {os.getloadavg()[0]:.1f}")
    for name, function, settings in [
        ("flowstone, batches", "word-counts", BATCHED),
        ("flowstone, one by one", "word-count", ""),
    ]:
        runs = [flowstone(arguments.binary, texts, function, settings, total) for _ in range(arguments.repeat)]
        first, again, calls = ([run[part] for run in runs] for part in range(3))
        counts = runs[-1][3]
        print(f"{name}: {shown(calls)} µs in calls for a row, {counts['calls']} calls, p50 "
              f"{counts['latency']['p50'] * 1e3:.2f} ms, p99 {counts['latency']['p99'] * 1e3:.2f} ms; "
              f"CPU of a run that reads and calls for all {shown(again)} µs for a row, of a first run {shown(first)} µs")
    path = PEERS / "payloads.txt"
    path.write_text("".join(f"{text}\n" for text in texts))
    servers = [("pynumaflow 0.14.0", python_server()), ("numaflow 0.6.0 (Rust)", rust_server())]
    if not (PEERS / "venv/bin/python").exists():
        servers = [(name, "there is no client: pynumaflow cannot be had") for name, _ in servers]
    for name, server in servers:
        if isinstance(server, str):
            print(f"{name}: {server}")
            continue
        try:
            runs = [served(server, path, arguments.rows, total) for _ in range(arguments.repeat)]
        except RuntimeError as error:
            print(f"{name}: its client failed, so it was not measured: {error}")
            continue
        cpu, rate = ([run[part] for run in runs] for part in range(2))
        print(f"{name}: CPU of the server {shown(cpu)} µs for a message, {statistics.median(rate):.0f} messages a second")


if __name__ == "__main__":
    main()
