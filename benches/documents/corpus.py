"""The documents of W1: made-up text, the same on every machine, and the edits between two runs."""

import os
import random
from pathlib import Path

BYTES_PER_FILE = 2048


class Writer:
    """Text with words, sentences and paragraphs, the same for the same seed."""

    def __init__(self, seed: int = 20261121):
        self._rng = random.Random(seed)
        self._words = ["".join(self._rng.choices("etaoinshrdlucmfw", k=self._rng.randint(2, 9))) for _ in range(5000)]

    def text(self, size: int = BYTES_PER_FILE) -> str:
        parts, length = [], 0
        while length < size:
            parts.append(" ".join(self._rng.choices(self._words, k=self._rng.randint(5, 14))).capitalize() + ". ")
            length += len(parts[-1])
        return "".join(parts)[:size]


class Corpus:
    """A folder of documents, a hundred folders below it. The edits are those of the phases."""

    def __init__(self, folder: Path, files: int):
        self.folder = folder
        writer = Writer()
        self.files = [folder / f"{number % 100:02}" / f"{number:06}.txt" for number in range(files)]
        for below in {path.parent for path in self.files}:
            below.mkdir(parents=True)
        for path in self.files:
            path.write_text(writer.text())
        self.files.sort()

    def change_one(self) -> None:
        path = self.files[7]
        path.write_text(path.read_text()[:-40] + "and now something else at its end.")

    def delete_one(self) -> None:
        self.files[8].unlink()

    def change_a_tenth(self) -> None:
        for path in self.files[10:10 + len(self.files) // 10]:
            path.write_text("Changed. " + path.read_text()[9:])

    def touch_all(self) -> None:
        for path in self.folder.rglob("*.txt"):
            os.utime(path)

    def rename_one(self) -> None:
        self.files[9].rename(self.files[9].with_name("renamed.txt"))
