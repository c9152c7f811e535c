"""What a run was taken on: the machine, its load, and the versions of what was measured."""

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from suite.places import ROOT

# A busy machine shifts wall times most, but caches and clocks are shared too, so CPU times suffer as well.
LOAD_PER_CORE_MAX = 0.3


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _line(path: str, start: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(start):
            return line.split(":", 1)[1].strip()
    return ""


def load() -> float:
    """The load of the last minute."""
    return os.getloadavg()[0]


def is_busy(load_at_start: float) -> bool:
    """Whether other work is likely to show in the figures."""
    return load_at_start > LOAD_PER_CORE_MAX * (os.cpu_count() or 1)


def describe(binary: Path) -> dict:
    """The machine and the versions, as they are now."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": _line("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory": int(_line("/proc/meminfo", "MemTotal").split()[0]) * 1024,
        "system": f"{platform.system()} {platform.release()}",
        "load": load(),
        "flowstone": _said(str(binary), "--version"),
        "commit": _said("git", "rev-parse", "--short=12", "HEAD"),
        "modified": bool(_said("git", "status", "--porcelain", "--untracked-files=no")),
        "rust": _said("rustc", "--version"),
        "python": platform.python_version(),
    }


def warn_of_load(load_at_start: float) -> None:
    """Says so where other work runs on the machine."""
    if is_busy(load_at_start):
        print(f"warning: the load is {load_at_start:.1f} on {os.cpu_count()} cores: other work runs, and figures will "
              "suffer; take them again on a quiet machine", file=sys.stderr)
