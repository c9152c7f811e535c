"""Reading scores and syllables, without any WIT types: this runs in an ordinary Python too."""

import re

import pyphen

# A component has no files when it runs: the dictionaries are read while it is built, and stay in its memory.
DICTIONARIES = {
    language: pyphen.Pyphen(lang=language, left=1, right=1)
    for language in ("en_US", "de_DE", "es", "fr")
}

WORDS_PER_MINUTE = 238

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
SENTENCE_END = re.compile(r"[.!?…]+(?:[\"'”’)\]]*)(?:\s|$)|\n\s*\n")


def words(text: str) -> list[str]:
    return WORD.findall(text)


def sentences(text: str) -> int:
    return sum(1 for part in SENTENCE_END.split(text) if WORD.search(part))


def dictionary(language: str) -> pyphen.Pyphen:
    found = DICTIONARIES.get(language)
    if found is None:
        raise ValueError(f"no dictionary for `{language}`, only for {', '.join(DICTIONARIES)}")
    return found


def syllables(word: str, language: str) -> int:
    return len(dictionary(language).positions(word)) + 1


def hyphenated(word: str, language: str) -> str:
    return dictionary(language).inserted(word)


def reading_ease(words: int, sentences: int, syllables: int) -> float:
    """Flesch, "A new readability yardstick", 1948."""
    return 206.835 - 1.015 * words / sentences - 84.6 * syllables / words


def grade(words: int, sentences: int, syllables: int) -> float:
    """Kincaid and others, "Derivation of new readability formulas", 1975."""
    return 0.39 * words / sentences + 11.8 * syllables / words - 15.59
