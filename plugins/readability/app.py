"""The functions of the world, by the names that WIT gives them."""

import wit_world
from componentize_py_types import Err

import scoring


class WitWorld(wit_world.WitWorld):
    def scores(self, text: str) -> wit_world.Scores | None:
        words = scoring.words(text)
        if not words:
            return None
        sentences = max(scoring.sentences(text), 1)
        syllables = sum(scoring.syllables(word, "en_US") for word in words)
        counts = (len(words), sentences, syllables)
        return wit_world.Scores(
            *counts,
            reading_ease=round(scoring.reading_ease(*counts), 2),
            grade=round(scoring.grade(*counts), 2),
            minutes=round(len(words) / scoring.WORDS_PER_MINUTE, 2),
        )

    def syllables(self, word: str, language: str) -> int:
        return answered(scoring.syllables, word, language)

    def hyphenated(self, word: str, language: str) -> str:
        return answered(scoring.hyphenated, word, language)


def answered(function, word: str, language: str):
    """What is wrong with the arguments is the `err` of the result; anything else that is raised ends the call."""
    try:
        return function(word, language)
    except ValueError as error:
        raise Err(str(error))
