#!/usr/bin/env python3
"""Memory of `flowstone watch` over edits of the same few files: what grows here is kept for nothing.

    cargo build --release
    benches/live/steady.py [--edits 2000] [--files 200] [--memory 64MiB] [--seed 3]
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from documents.contenders import lay_out
from documents.corpus import Writer
from live.common import Watch
from suite.places import BINARY


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--edits", type=int, default=2000)
    arguments.add_argument("--files", type=int, default=200)
    arguments.add_argument("--memory", default="64MiB")
    arguments.add_argument("--seed", type=int, default=3)
    options = arguments.parse_args()
    writer = Writer(options.seed)

    with tempfile.TemporaryDirectory(prefix="flowstone-steady-") as folder:
        docs, project = Path(folder) / "docs", Path(folder) / "project"
        docs.mkdir()
        for number in range(options.files):
            (docs / f"{number}.txt").write_text(writer.text())
        lay_out(project, docs)
        watch = Watch(BINARY, project, "--rescan", "20s", "--memory", options.memory)
        watch.until("round")
        for edit in range(options.edits + 1):
            if edit % max(1, options.edits // 10) == 0:
                store = (project / ".flowstone/store.redb").stat().st_size
                print(f"{edit} edits: {watch.resident() / 1e6:.1f} MB resident, store {store / 1e6:.1f} MB",
                      flush=True)
            (docs / f"{edit % options.files}.txt").write_text(writer.text())
            watch.until("round")
        watch.process.send_signal(signal.SIGTERM)
        watch.process.wait()


if __name__ == "__main__":
    main()
