"""Figures of one run: what was measured of whom, in which case and at which size, repeat by repeat."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass

FLOWSTONE = "flowstone"


@dataclass(frozen=True)
class Figure:
    """One measurement. `values` are in seconds, bytes or counts, as the workload's metrics say."""

    contender: str
    case: str
    size: int
    repeat: int
    values: dict[str, float]


class Figures:
    """All figures of one workload."""

    def __init__(self, figures: list[Figure]):
        self.all = figures

    @classmethod
    def of_json(cls, entries: list[dict]) -> "Figures":
        return cls([Figure(**entry) for entry in entries])

    def sizes(self) -> list[int]:
        return sorted({figure.size for figure in self.all})

    def contenders(self, size: int | None = None, metric: str | None = None) -> list[str]:
        """In the order in which they came; flowstone first."""
        names = [figure.contender for figure in self.all
                 if size in (None, figure.size) and (metric is None or metric in figure.values)]
        return sorted(dict.fromkeys(names), key=lambda name: name != FLOWSTONE)

    def cases(self, size: int, metric: str | None = None) -> list[str]:
        """In the order in which they came."""
        return list(dict.fromkeys(figure.case for figure in self.all if figure.size == size
                                  and (metric is None or metric in figure.values)))

    def _of(self, contender: str, case: str, size: int, metric: str) -> Iterator[tuple[int, float]]:
        for figure in self.all:
            if (figure.contender, figure.case, figure.size) == (contender, case, size) and metric in figure.values:
                yield figure.repeat, figure.values[metric]

    def of(self, contender: str, case: str, size: int, metric: str) -> list[float]:
        """What was measured in each repeat; empty where it was not."""
        return [value for _, value in self._of(contender, case, size, metric)]

    def median(self, contender: str, case: str, size: int, metric: str) -> float | None:
        values = self.of(contender, case, size, metric)
        return statistics.median(values) if values else None

    def ratios(self, contender: str, case: str, size: int, metric: str) -> list[float]:
        """How many times what flowstone takes it took, by the repeat: both were measured next to each other."""
        own = dict(self._of(FLOWSTONE, case, size, metric))
        return [value / own[repeat] for repeat, value in self._of(contender, case, size, metric) if own.get(repeat, 0) > 0]
