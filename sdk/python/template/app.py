"""The functions of wit/world.wit, as methods of WitWorld. It is made by `flowstone build`, with the types of the world."""

import wit_world
from componentize_py_types import Err


class WitWorld(wit_world.WitWorld):
    def count(self, text: str) -> int:
        return len(text.split())

    def summary(self, text: str, words: int) -> str:
        found = text.split()
        if not found:
            # The `err` of a result. Any other exception ends the call.
            raise Err("there are no words")
        return " ".join(found[:words])
