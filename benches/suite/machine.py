"""What a run was taken on: the machine, its load, and the versions of what was measured."""

import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from suite.places import ROOT

# A busy machine shifts wall times most, but caches and clocks are shared too, so CPU times suffer as well.
OTHERS_MAX = 0.1
LOOK_S = 2.0


def _said(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _line(path: str, start: str) -> str:
    for line in Path(path).read_text().splitlines():
        if line.startswith(start):
            return line.removeprefix(start).lstrip("\t :").strip()
    return ""


def _ticks() -> tuple[int, int]:
    """How long all processors have been at work, and how long they have been there: user to steal, and all of it."""
    ticks = [int(field) for field in _line("/proc/stat", "cpu ").split()[:8]] if os.path.exists("/proc/stat") else []
    return sum(ticks) - sum(ticks[3:5]), sum(ticks)


def others() -> float:
    """The part of the processors that is in use while the suite only looks on, by other machines on the same ones as well.

    The load of the last minute would tell of the workload before.
    """
    used, all_of_it = _ticks()
    time.sleep(LOOK_S)
    used_then, all_then = _ticks()
    return (used_then - used) / max(all_then - all_of_it, 1)


def is_busy(others_at_start: float) -> bool:
    """Whether other work is likely to show in the figures."""
    return others_at_start > OTHERS_MAX


def describe(binary: Path) -> dict:
    """The machine and the versions, as they are now."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "processor": _line("/proc/cpuinfo", "model name") or platform.machine(),
        "cores": os.cpu_count(),
        "memory": int(_line("/proc/meminfo", "MemTotal").split()[0]) * 1024,
        "system": f"{platform.system()} {platform.release()}",
        "others": others(),
        "flowstone": _said(str(binary), "--version"),
        "commit": _said("git", "rev-parse", "--short=12", "HEAD"),
        "modified": bool(_said("git", "status", "--porcelain", "--untracked-files=no")),
        "rust": _said("rustc", "--version"),
        "python": platform.python_version(),
    }


def warn_of_others(others_at_start: float) -> None:
    """Says so where other work runs on the machine."""
    if is_busy(others_at_start):
        print(f"warning: other work takes {others_at_start:.0%} of the processors, and figures will suffer; take them again on "
              "a quiet machine", file=sys.stderr)
