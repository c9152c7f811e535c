"""The shapes of W3 with Hamilton: `hamilton_flow.py SHAPE STEPS ROWS STRIDE`, with its cache in the current folder.

Prints the CPU seconds of the execution alone, without imports and without making the graph, and what came of it.
"""

import json
import linecache
import sys
import time
from collections.abc import Callable

from hamilton import ad_hoc_utils, driver

STEP = "def {name}({takes}: int) -> int:\n    return {takes} + {by}\n"


def functions(source: str) -> list[Callable]:
    """The functions of a text; Hamilton wants to read them, so it is put where Python finds sources."""
    name = "<nodes>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    scope: dict = {}
    exec(compile(source, name, "exec"), scope)
    return [value for key, value in scope.items() if not key.startswith("__")]


def main() -> None:
    shape, (count, rows, stride) = sys.argv[1], map(int, sys.argv[2:])
    if shape == "chain":
        steps = [STEP.format(name=f"n{at}", takes=f"n{at - 1}" if at else "value", by=1) for at in range(count)]
        wanted = [f"n{count - 1}"]
    elif shape == "fan":
        steps = [STEP.format(name=f"n{at}", takes="value", by=at) for at in range(count)]
        wanted = [f"n{at}" for at in range(count)]
    else:
        steps, wanted = [STEP.format(name="n0", takes="value", by=1)], ["n0"]
    module = ad_hoc_utils.create_temporary_module(*functions("\n\n".join(steps)), module_name="nodes")
    built = driver.Builder().with_cache(path="cache").with_modules(module).build()
    start, total = time.process_time(), 0
    for row in range(rows):
        results = built.execute(wanted, inputs={"value": row * stride + 1})
        total += sum(int(result) for result in results.values())
    print(json.dumps({"cpu": time.process_time() - start, "sum": total}))


main()
