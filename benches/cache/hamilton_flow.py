"""What rivals.py runs with Hamilton: an execution for each file, which is read in every run, as documented."""

import json
from typing import Any

import wordlib
from calls import called
from hamilton.function_modifiers import cache

FACTOR = 1


def _split(text: str) -> list[str]:
    return text.split()


@cache(behavior="recompute")
def text(path: str) -> str:
    with open(path) as file:
        return file.read()


def words(text: str) -> int:
    """Counts words."""
    called("words")
    return FACTOR * len(_split(text)) + wordlib.extra(text)


def report(words: int) -> str:
    called("report")
    return f"{words} words"


def other(text: str) -> int:
    called("other")
    return len(text)


def value(text: str) -> Any:
    return json.loads(text)


def kind(value: Any) -> str:
    called("kind")
    return type(value).__name__
