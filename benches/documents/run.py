#!/usr/bin/env python3
"""Workload W1: N files of 2 KB -> 7 chunks each -> one memoized call per chunk -> SQLite.

Every phase is a process of its own. All contenders work on the same folder, one after the other in each phase, and their
tables are compared.

    cargo build --release && benches/documents/run.py [--sizes 10000] [--repeat 3]
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from documents.contenders import EQUAL, OTHER, SAME, CocoIndex, Contender, Flowstone, Native, measured, table
from documents.corpus import Corpus
from suite import cli
from suite.workload import CPU, MEMORY, WALL, Bench, Differs, Metric, Workload

FIRST = "first run"
NO_CHANGE = "no change"
ONE_CHANGED = "one file changed"
# Files written just now may change again within the tick of the clock: they are given time to settle.
SETTLE_S = 0.1


def phases(corpus: Corpus, contenders: list[Contender]) -> dict[str, Callable[[], object]]:
    """What is done before the run of each phase."""
    def code(which: str) -> Callable[[], None]:
        def edit() -> None:
            for contender in contenders:
                if not isinstance(contender, Native):
                    contender.code(which)
        return edit

    return {
        FIRST: lambda: None,
        NO_CHANGE: lambda: None,
        ONE_CHANGED: corpus.change_one,
        "one file deleted": corpus.delete_one,
        "ten per cent changed": corpus.change_a_tenth,
        "all touched": corpus.touch_all,
        "one file renamed": corpus.rename_one,
        "code changed, equal results": code(EQUAL),
        "code changed, other results": code(OTHER),
        "code reverted": code(SAME),
    }


def compare(case: str, contenders: list[Contender]) -> None:
    """The contenders' tables must be equal, or they did not do the same work."""
    tables = {contender.name: table(contender) for contender in contenders}
    if len(set(tables.values())) > 1:
        counts = {name: rows for name, (rows, _) in tables.items()}
        raise Differs(f"after {case!r} the tables differ; their rows are {counts}")


def one_pass(bench: Bench, folder: Path, files: int, repeat: int) -> None:
    """All phases from empty stores."""
    docs = folder / "docs"
    corpus = Corpus(docs, files)
    native = Native(folder / "native", docs)
    caching: list[Contender] = [Flowstone(folder / "flowstone", docs, bench.binary)]
    if bench.meets_rivals(files):
        if rival := bench.rival(CocoIndex.name, lambda: CocoIndex(folder / "cocoindex", docs)):
            caching.append(rival)
    everyone = [native, *caching]
    for case, edit in phases(corpus, caching).items():
        edit()
        time.sleep(SETTLE_S)
        # Each in turn is the first that reads the files.
        for contender in everyone[repeat % len(everyone):] + everyone[:repeat % len(everyone)]:
            if contender is not native or case == FIRST:
                bench.record(case, files, repeat, measured(contender), contender.name)
        compare(case, everyone if case == FIRST else caching)
    native.run()
    compare("all phases", everyone)


def run(bench: Bench) -> None:
    for files in bench.sizes:
        for repeat in bench.repeats:
            with bench.temporary() as folder:
                one_pass(bench, Path(folder), files, repeat)


DOCUMENTS = Workload(
    name="w1",
    title="Documents into chunks",
    run=run,
    metrics=(CPU, WALL, MEMORY, Metric("calls", "calls", digits=0), Metric("store", "store MB", 1e6, 1)),
    sizes=(1_000, 10_000, 100_000),
    quick_sizes=(100,),
    what="files",
    floors=(Native.name,),
    growth=(FIRST, NO_CHANGE, ONE_CHANGED),
)

if __name__ == "__main__":
    cli.main([DOCUMENTS], __doc__)
