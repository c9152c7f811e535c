#!/usr/bin/env python3
"""Memory of `flowstone watch` over edits of the same few files: what grows here is kept for nothing.

    cargo build --release -p flowstone-cli
    cargo build --release --target wasm32-wasip2 -p text
    benches/live/steady.py [--edits 2000] [--files 200] [--memory 64MiB] [--seed 3]
"""

import argparse
import random
import signal
import tempfile
from pathlib import Path

from common import BINARY, PLUGIN, Watch, lay_out, text


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--edits", type=int, default=2000)
    arguments.add_argument("--files", type=int, default=200)
    arguments.add_argument("--memory", default="64MiB")
    arguments.add_argument("--seed", type=int, default=3)
    options = arguments.parse_args()
    rng = random.Random(options.seed)

    with tempfile.TemporaryDirectory(prefix="flowstone-steady-") as folder:
        docs, project = Path(folder) / "docs", Path(folder) / "project"
        docs.mkdir()
        for number in range(options.files):
            (docs / f"{number}.txt").write_text(text(rng))
        lay_out(project, PLUGIN, docs)
        watch = Watch(BINARY, project, "--rescan", "20s", "--memory", options.memory)
        watch.until("round")
        for edit in range(options.edits + 1):
            if edit % max(1, options.edits // 10) == 0:
                store = (project / ".flowstone/store.redb").stat().st_size
                print(f"{edit} edits: {watch.status('VmRSS') / 1e6:.1f} MB resident, store {store / 1e6:.1f} MB",
                      flush=True)
            (docs / f"{edit % options.files}.txt").write_text(text(rng))
            watch.until("round")
        watch.process.send_signal(signal.SIGTERM)
        watch.process.wait()


if __name__ == "__main__":
    main()
