"""What a process costs: CPU, wall time and peak memory of one command, and of one that goes on running."""

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launcher.py")


class Failed(RuntimeError):
    """A command ended with another status than 0."""


@dataclass(frozen=True)
class Cost:
    """CPU is user and system time of all threads, in seconds; memory is the resident peak, in bytes."""

    cpu: float
    wall: float
    memory: int
    output: str

    def values(self) -> dict[str, float]:
        return {"cpu": self.cpu, "wall": self.wall, "memory": self.memory}


def measure(command: list, folder: Path | None = None, environment: dict[str, str] | None = None) -> Cost:
    """Runs a command to its end.

    The kernel counts for this child alone, so what it starts and waits for itself is in the figures, and nothing else is.
    """
    words = [str(word) for word in command]
    with tempfile.TemporaryDirectory() as name:
        output, errors = Path(name) / "output", Path(name) / "errors"
        launch = [sys.executable, "-I", "-S", LAUNCHER, folder or Path.cwd(), output, errors, *words]
        done = subprocess.run(launch, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{words[0]} does not start: {done.stderr.strip()[-500:]}")
        code, cpu, wall, memory = done.stdout.split()
        said, wrong = output.read_text(errors="replace"), errors.read_text(errors="replace")
    if code != "0":
        raise Failed(f"{' '.join(words)} ended with status {code}: {(wrong or said).strip()[-2000:]}")
    return Cost(float(cpu), float(wall), int(memory), said)


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status_bytes(pid: int, name: str) -> int:
    """A number of bytes in /proc, such as VmRSS."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0


def size_of(folder: Path) -> int:
    """The bytes of all files of a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
