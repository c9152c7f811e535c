#!/usr/bin/env python3
"""Workload W1: N files of 2 KB -> 7 chunks each -> one memoized call per chunk -> SQLite.

Every phase is a process of its own. CPU seconds, wall seconds and peak memory are those of that process; the figure is
the median of the repetitions, with the spread beside it.

    cargo build --release && benches/documents/run.py [--files 10000] [--repeat 3]
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BYTES_PER_FILE = 2048


def write_documents(folder: Path, files: int) -> None:
    """Text of 2 KB with words, sentences and paragraphs, the same for the same number of files."""
    rng = random.Random(20261121)
    words = ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randint(2, 9))) for _ in range(5000)]
    for number in range(files):
        parts, size = [], 0
        while size < BYTES_PER_FILE:
            sentence = " ".join(rng.choices(words, k=rng.randint(5, 14))).capitalize() + ". "
            parts.append(sentence)
            size += len(sentence)
        path = folder / f"{number % 100:02}" / f"{number:06}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(parts)[:BYTES_PER_FILE])


def measure(command: list[str], folder: Path) -> dict:
    """Runs a command and says what it cost and what it reported."""
    start = time.monotonic()
    out = folder / "out.json"
    with out.open("wb") as stdout:
        pid = os.posix_spawn(command[0], command, dict(os.environ), file_actions=[
            (os.POSIX_SPAWN_DUP2, stdout.fileno(), 1),
        ])
        _, status, usage = os.wait4(pid, 0)
    wall = time.monotonic() - start
    code = os.waitstatus_to_exitcode(status)
    if code != 0:
        sys.exit(f"{' '.join(command)} ended with status {code}: {out.read_text()}")
    return {
        "cpu": usage.ru_utime + usage.ru_stime,
        "wall": wall,
        "memory": usage.ru_maxrss * 1024,
        "report": json.loads(out.read_text()),
    }


def phases(folder: Path, files: int, binary: Path, plugin: Path) -> dict[str, dict]:
    """One pass over all phases, from an empty store."""
    docs = folder / "docs"
    project = folder / "project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.rmtree(docs, ignore_errors=True)
    docs.mkdir()
    write_documents(docs, files)
    project.mkdir()
    flow = (HERE / "flow.toml").read_text().replace('source = "../../plugins/text"', 'component = "text.wasm"')
    (project / "flow.toml").write_text(flow)
    shutil.copy(plugin, project / "text.wasm")
    command = [str(binary), "run", str(project), "--set", f"docs={docs}", "--json", "--quiet"]
    every = sorted(docs.rglob("*.txt"))
    results = {}

    def phase(name: str) -> None:
        results[name] = measure(command, folder)

    # Files written just now may change again within the tick of the clock: let them settle.
    time.sleep(0.1)
    phase("first run")
    phase("no change")
    every[7].write_text(every[7].read_text()[:-40] + "and now something else at its end.")
    time.sleep(0.1)
    phase("one file changed")
    every[8].unlink()
    phase("one file deleted")
    every[9].rename(every[9].with_name("renamed.txt"))
    phase("one file renamed")
    for path in every[10:10 + files // 10]:
        path.write_text("Changed. " + path.read_text()[9:])
    time.sleep(0.1)
    phase("ten per cent changed")
    for path in docs.rglob("*.txt"):
        os.utime(path)
    time.sleep(0.1)
    phase("all touched")
    store = sum(path.stat().st_size for path in (project / ".flowstone").rglob("*") if path.is_file())
    results["store bytes"] = store
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/flowstone")
    parser.add_argument("--json", type=Path, help="write all figures into this file")
    arguments = parser.parse_args()
    target = ROOT / "target"
    subprocess.run(
        ["cargo", "build", "--release", "--target", "wasm32-wasip2", "-p", "text"], cwd=ROOT, check=True)
    plugin = target / "wasm32-wasip2/release/text.wasm"
    passes = []
    with tempfile.TemporaryDirectory(prefix="flowstone-bench-") as folder:
        for _ in range(arguments.repeat):
            passes.append(phases(Path(folder), arguments.files, arguments.binary, plugin))
    rows = passes[0]["first run"]["report"]["targets"]["index"]["inserted"]
    print(f"\n{arguments.files} files of {BYTES_PER_FILE} bytes, {rows} rows, median of {arguments.repeat} (spread)\n")
    print("| phase | CPU s | wall s | peak MB | calls |")
    print("| --- | --- | --- | --- | --- |")
    for name in passes[0]:
        if name == "store bytes":
            continue
        def figure(key: str, scale: float = 1.0, digits: int = 3) -> str:
            values = [one[name][key] / scale for one in passes]
            spread = max(values) - min(values)
            return f"{statistics.median(values):.{digits}f} ({spread:.{digits}f})"
        calls = sum(t["called"] for t in passes[0][name]["report"]["transforms"].values())
        print(f"| {name} | {figure('cpu')} | {figure('wall')} | {figure('memory', 1e6, 0)} | {calls} |")
    print(f"\nstore after all phases: {passes[-1]['store bytes'] / 1e6:.0f} MB")
    if arguments.json:
        arguments.json.write_text(json.dumps(passes, indent=1))


if __name__ == "__main__":
    main()
