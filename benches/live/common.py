"""What the long tests of `flowstone watch` share: a process of it, and what it says."""

import json
import queue
import subprocess
import threading
import time
from pathlib import Path

from suite.process import status_bytes


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

    def resident(self) -> int:
        """Bytes in memory now."""
        return status_bytes(self.process.pid, "VmRSS")
