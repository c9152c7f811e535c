"""What the live benches share: a project of many files, and `flowstone watch` on it."""

import json
import queue
import random
import shutil
import subprocess
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BINARY = ROOT / "target/release/flowstone"
PLUGIN = ROOT / "target/wasm32-wasip2/release/text.wasm"


def text(rng: random.Random, size: int = 2048) -> str:
    """Sentences of made-up words."""
    parts, length = [], 0
    while length < size:
        words = ["".join(rng.choices("etaoinshrdlucmfw", k=rng.randint(2, 9))) for _ in range(10)]
        parts.append(" ".join(words).capitalize() + ". ")
        length += len(parts[-1])
    return "".join(parts)[:size]


def lay_out(project: Path, plugin: Path, docs: Path) -> None:
    """A project with the flow of the workload W1 over a folder of documents."""
    project.mkdir(parents=True)
    flow = (ROOT / "benches/documents/flow.toml").read_text()
    flow = flow.replace('source = "../../plugins/text"', 'component = "text.wasm"')
    (project / "flow.toml").write_text(flow.replace('docs = "docs"', f'docs = "{docs}"'))
    shutil.copy(plugin, project / "text.wasm")


class Watch:
    """A process of `flowstone watch --json`."""

    def __init__(self, binary: Path, project: Path, *more: str):
        command = [str(binary), "watch", str(project), "--json", *more]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.events: queue.Queue = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            try:
                self.events.put(json.loads(line))
            except ValueError:
                # Cut off by a kill.
                break

    def until(self, event: str, seconds: float = 300) -> dict:
        """Waits for an event."""
        end = time.monotonic() + seconds
        while True:
            said = self.events.get(timeout=max(0.001, end - time.monotonic()))
            if said["event"] == event:
                return said

    def status(self, name: str) -> int:
        """A number of bytes in /proc, such as VmRSS."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1]) * 1024
        return 0

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100
