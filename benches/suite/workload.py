"""What a workload is to the suite, and what the suite hands it while it runs."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from suite import rivals
from suite.figures import FLOWSTONE, Figure

Rival = TypeVar("Rival")


class Differs(RuntimeError):
    """Something was made or called that should not have been: what was measured is not the same work."""


@dataclass(frozen=True)
class Metric:
    """A value of a figure, and how it is shown: divided by `unit`, with so many digits."""

    key: str
    title: str
    unit: float = 1.0
    digits: int = 2


CPU = Metric("cpu", "CPU s", digits=3)
WALL = Metric("wall", "wall s", digits=3)
MEMORY = Metric("memory", "peak MB", 1e6, 0)


@dataclass(frozen=True)
class Workload:
    """A workload: a function that measures, and how its figures are shown.

    The first metric is compared between the contenders; the others are listed. `sizes` are in `what`, as in "files".
    """

    name: str
    title: str
    run: Callable[["Bench"], None]
    metrics: tuple[Metric, ...]
    sizes: tuple[int, ...]
    quick_sizes: tuple[int, ...]
    what: str
    # Contenders that do less than flowstone: what flowstone takes is told in theirs, not the other way round.
    floors: tuple[str, ...] = ()
    # Cases that a plot over the sizes shows; with one size, or none, bars show all cases.
    growth: tuple[str, ...] = ()


@dataclass
class Bench:
    """One run of one workload."""

    workload: Workload
    options: argparse.Namespace
    folder: Path
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    @property
    def binary(self) -> Path:
        return self.options.binary

    @property
    def sizes(self) -> tuple[int, ...]:
        if self.options.sizes:
            return self.options.sizes
        return self.workload.quick_sizes if self.options.quick else self.workload.sizes

    @property
    def repeats(self) -> range:
        return range(1 if self.options.quick else self.options.repeat)

    def record(self, case: str, size: int, repeat: int, values: dict[str, float], contender: str = FLOWSTONE) -> None:
        self.figures.append(Figure(contender, case, size, repeat, values))
        first = self.workload.metrics[0]
        shown = f"{values[first.key] / first.unit:.{first.digits}f} {first.title}" if first.key in values else ""
        print(f"  {self.workload.name} {size:,} #{repeat + 1} {contender}: {case}: {shown}", file=sys.stderr)

    def note(self, text: str) -> None:
        """Something that the reader of the figures must know, said once."""
        if text not in self.notes:
            print(f"  {self.workload.name}: {text}", file=sys.stderr)
            self.notes.append(text)

    def meets_rivals(self, size: int) -> bool:
        """Whether rivals are measured at this size: what takes them seconds for a thousand takes them hours for a million."""
        if size > self.options.rival_size_max:
            self.note(f"Rivals are not measured above {self.options.rival_size_max:,} {self.workload.what}.")
        return size <= self.options.rival_size_max

    def rival(self, name: str, make: Callable[[], Rival]) -> Rival | None:
        """What a function gives that installs a rival; None, and a note, where it cannot be had or was not asked for."""
        if not self.options.rivals:
            self.note(f"{name} was left out (`--no-rivals`).")
            return None
        try:
            return make()
        except rivals.Missing as missing:
            self.note(f"{name} cannot be had: {missing}")
            return None

    def temporary(self) -> tempfile.TemporaryDirectory:
        return tempfile.TemporaryDirectory(dir=self.folder)
