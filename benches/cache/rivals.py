#!/usr/bin/env python3
"""What Hamilton and CocoIndex do with remembered results when something changes, found out by trying it.

For each kind of change: a new project, a run, the change, another run, every run a process of its own. The functions
write a line each time they are really called, and what the second run gives is compared with what a run without any
cache gives. It prints a Markdown table with

    kept     the function was not called, and the result is right
    redone   it was called again, and the result is right
    stale    the result is another than that of a run without a cache

and footnotes with what a documented option changes, tried in the same way. It needs Python 3.11 or later and PyPI (the
first time: the tools go into target/bench); neither tool needs a network or a database server afterwards.

    benches/cache/rivals.py [--only WORD] [--verbose]
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from suite import rivals

HERE = Path(__file__).resolve().parent
TOOLS = {
    "hamilton": ("Hamilton", "apache-hamilton", "apache-hamilton==1.90.*"),
    "cocoindex": ("CocoIndex", "cocoindex", "cocoindex==1.0.26"),
}
LIBRARY = '__version__ = "{version}"\n\n\ndef extra(text):\n    return {extra}\n'
CALLS = """import os


def called(name):
    with open(os.environ["CALLS"], "a") as log:
        log.write(name + "\\n")
"""

Edit = Callable[[Path], None]


# Changes


def code(old: str, new: str) -> Edit:
    """Replaces text of the flow; it must be there."""
    def edit(project: Path) -> None:
        flow = project / "flow.py"
        source = flow.read_text()
        if old not in source:
            sys.exit(f"not in the flow: {old!r}")
        flow.write_text(source.replace(old, new))
    return edit


def word(old: str, new: str) -> Edit:
    """Replaces a whole word of the flow, wherever it stands."""
    def edit(project: Path) -> None:
        flow = project / "flow.py"
        flow.write_text(re.sub(rf"\b{old}\b", new, flow.read_text()))
    return edit


def library(version: str, extra: str) -> Edit:
    return lambda project: write(project / "wordlib/__init__.py", LIBRARY.format(version=version, extra=extra))


def content(text: str) -> Edit:
    return lambda project: write(project / "docs/a.json", text)


def rename_file(project: Path) -> None:
    (project / "docs/a.json").rename(project / "docs/z.json")


def copy_file(project: Path) -> None:
    shutil.copy(project / "docs/a.json", project / "docs/copy.json")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


# Experiments


@dataclass
class Case:
    """What is changed with one tool, and whose calls count."""

    change: list[Edit]
    before: list[Edit] = field(default_factory=list)
    watch: str = "words"
    revert: bool = False


@dataclass
class Row:
    name: str
    cases: dict[str, Case]
    options: list[tuple[str, str, Case]] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


def both(*change: Edit, **more) -> dict[str, Case]:
    return {tool: Case(list(change), **more) for tool in TOOLS}


MEMO = "@coco.fn(memo=True)\ndef words("
BODY = "return FACTOR * len(_split(text)) + wordlib.extra(text)"


def memo(arguments: str) -> Edit:
    return code(MEMO, f"@coco.fn(memo=True, {arguments})\ndef words(")


def rows() -> list[Row]:
    helper = code("return text.split()", "return text.split()[1:]")
    constant = code("FACTOR = 1", "FACTOR = 2")
    sibling = code("return len(text)", "return len(text) + 1")
    update = library("2.0", "100")
    changed = code(BODY, BODY + " + 1000")
    default = [code("def words(text: str)", "def words(text: str, step: int = 1)"),
               code("return FACTOR *", "return step * FACTOR *")]
    parameter = [code("def words(text:", "def words(body:"), code(BODY, BODY.replace("(text)", "(body)"))]
    suffix = [code("def words(", '@config.when(mode="plain")\ndef words__one('),
              code("import cache", "import cache, config")]
    always = [code("def words(", '@cache(behavior="recompute")\ndef words(')]
    node = [
        code("def words(text: str)", "def factor() -> int:\n    return 1\n\n\ndef words(text: str, factor: int)"),
        code("return FACTOR *", "return factor *"),
    ]
    version_node = [code("def words(text: str)", '@cache(behavior="recompute")\n'
                         "def wordlib_version() -> str:\n    return wordlib.__version__\n\n\n"
                         "def words(text: str, wordlib_version: str)")]
    typed = [code("FACTOR = 1\n", "FACTOR = 1\n\n\n@fingerprinting.hash_value.register(str)\n"
                  "def _hash_str(obj, *args, **kwargs):\n    return fingerprinting.hash_repr(obj)\n"),
             code("from calls", "from hamilton.caching import fingerprinting\nfrom calls")]
    # One component for all files: the files are read where the app starts, and only its functions have memos.
    flat = [code("    await coco.mount_each(process_file, localfs.walk_dir(docs).items(), target)",
                 "    async for file in localfs.walk_dir(docs):\n        await process_file(file, target)"),
            code("@coco.fn(memo=True)\nasync def", "@coco.fn\nasync def")]
    path = [code("mount_each(process_file", 'mount_each(coco.component_subpath("documents"), process_file')]
    return [
        Row("nothing changed (control)", both()),
        Row("code changed (control)", both(changed)),
        Row("file content changed (control)", both(content('"quite another text now"')), options=[
            ("hamilton", "without `@cache(behavior=\"recompute\")` on the node that reads the file",
             Case([content('"quite another text now"')], [code('@cache(behavior="recompute")\n', "")]))]),
        Row("helper function changed", both(helper), options=[
            ("hamilton", "with `@cache(behavior=\"recompute\")`, which calls it in every run", Case([helper], always)),
            ("cocoindex", "with `@coco.fn` on the helper",
             Case([helper], [code("def _split", "@coco.fn\ndef _split")]))]),
        Row("constant changed", both(constant), options=[
            ("hamilton", "with the constant as a node", Case([code("return 1\n", "return 2\n")], node)),
            ("cocoindex", "with `deps=FACTOR`", Case([constant], [memo("deps=FACTOR")]))]),
        Row("library version changed", both(update), options=[
            ("hamilton", "with the library's version as a node that is always called", Case([update], version_node)),
            ("cocoindex", "with `deps=wordlib.__version__`", Case([update], [memo("deps=wordlib.__version__")]))]),
        Row("comment or docstring changed", both(
            code('"""Counts words."""', '"""Counts the words."""\n    # Splits at white space.'))),
        Row("function renamed, the node keeps its name", {
            "hamilton": Case([code("words__one", "words__two")], suffix),
            "cocoindex": Case([code("def words(", "def count("), code("(words(text)", "(count(text)")])},
            options=[("cocoindex", "with `version=1` on the function", Case(
                [code("def words(", "def count("), code("(words(text)", "(count(text)")], [memo("version=1")]))],
            notes=[("hamilton", "the function behind `@config.when` renamed, from `words__one` to `words__two`"),
                   ("cocoindex", "a function with a memo renamed; the component keeps its path")]),
        Row("node renamed", {
            "hamilton": Case([
                code("def words(", "def count("), code("report(words:", "report(count:"), code("{words}", "{count}")]),
            "cocoindex": Case([word("process_file", "process_document")])},
            options=[("cocoindex", "with the path of the component given (its own function is called, `words` is not)",
                      Case([word("process_file", "process_document")], path))],
            notes=[("hamilton", "the node's name is the function's, and the parameter's of what depends on it, "
                    "which is called again too"),
                   ("cocoindex", "the function of the component renamed, and with it, by default, its path; "
                    "what is called is `words` inside it, which stays as it was")]),
        Row("parameter renamed", {
            "hamilton": Case([word("text", "body")]), "cocoindex": Case(parameter)},
            options=[("cocoindex", "with `version=1` on the function", Case(parameter, [memo("version=1")]))],
            notes=[("hamilton", "a parameter's name is that of the node that it takes, which is renamed too")]),
        Row("default argument added, same behaviour", both(*default), options=[
            ("cocoindex", "with `version=1` on the function", Case(default, [memo("version=1")]))]),
        Row("code changed and reverted, third run", both(changed, revert=True), options=[
            ("cocoindex", "with `version=1`, 2 and 1 again", Case(
                [code("version=1", "version=2"), changed], [memo("version=1")], revert=True))]),
        Row("file renamed", both(rename_file), options=[
            ("cocoindex", "with all files in one component, without a memo for each file", Case([rename_file], flat))]),
        Row("file copied", both(copy_file), options=[
            ("cocoindex", "with all files in one component, without a memo for each file", Case([copy_file], flat))]),
        Row("sibling function in the same module changed", both(sibling), options=[
            ("cocoindex", "with a memo for the file only, none for the function",
             Case([sibling], [code(MEMO, "@coco.fn\ndef words(")]))]),
        Row("equal result after changed code: what depends on it", both(
            code(BODY, BODY + " + 0"), watch="report"), notes=[
            ("cocoindex", "the function that takes the result; the component that calls both runs again")]),
        Row("input `1` becomes `\"1\"`", both(content('"1"'), before=[content("1")], watch="kind"), options=[
            ("hamilton", "with a fingerprint of its own registered for `str`",
             Case([content('"1"')], [content("1"), *typed], watch="kind"))]),
    ]


# Runs


def run_hamilton(cached: bool) -> dict:
    from hamilton import driver

    import flow
    builder = driver.Builder().with_modules(flow).with_config({"mode": "plain"})
    if cached:
        builder = builder.with_cache(path="cache")
    built = builder.build()
    wanted = ["report", "other", "kind"]
    return {path.name: list(built.execute(wanted, inputs={"path": str(path)}).values())
            for path in sorted(Path("docs").iterdir())}


def run_cocoindex(_cached: bool) -> dict:
    """Without a cache means with an empty one: the environment says where it is."""
    import flow
    flow.app.update_blocking()
    return {path.name: json.loads(path.read_text()) for path in sorted(Path(os.environ["OUT"]).iterdir())}


def run(tool: str, project: Path, cached: bool) -> tuple[dict, list[str]]:
    """One run in a process of its own: its results, and the calls."""
    place = project if cached else Path(tempfile.mkdtemp(dir=project))
    log = place / "calls.log"
    log.write_text("")
    environment = dict(os.environ, CALLS=str(log), OUT=str(place / "out"), COCOINDEX_DB=str(place / "db"),
                       PYTHONPATH=str(project), PYTHONDONTWRITEBYTECODE="1")
    command = [rivals.VENV / "bin/python", HERE / "rivals.py", "--inside", tool, *(["--cached"] if cached else [])]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip()[-2000:])
    return json.loads(done.stdout.splitlines()[-1]), log.read_text().split()


def outcome(tool: str, case: Case, verbose: bool) -> str:
    """Tries one change with one tool."""
    with tempfile.TemporaryDirectory(prefix="rivals-") as folder:
        project = Path(folder)
        shutil.copy(HERE / f"{tool}_flow.py", project / "flow.py")
        write(project / "calls.py", CALLS)
        library("1.0", "0")(project)
        content('"one two three"')(project)
        for edit in case.before:
            edit(project)
        first = (project / "flow.py").read_text()
        _, calls = run(tool, project, cached=True)
        if case.watch not in calls:
            raise RuntimeError(f"the first run does not call {case.watch}")
        # A changed file must not have the time of the one before.
        time.sleep(0.05)
        for edit in case.change:
            edit(project)
        if case.revert:
            run(tool, project, cached=True)
            (project / "flow.py").write_text(first)
        result, calls = run(tool, project, cached=True)
        right, _ = run(tool, project, cached=False)
        if verbose:
            print(f"    {calls} {result} {right}", file=sys.stderr)
        if result != right:
            return "stale"
        return "redone" if case.watch in calls else "kept"


def install() -> dict[str, str]:
    """The tools that can be had, with their versions."""
    versions = {}
    for tool, (name, package, requirement) in TOOLS.items():
        try:
            python = rivals.python(requirement)
        except rivals.Missing as missing:
            print(f"{name} cannot be had: {missing}", file=sys.stderr)
            continue
        ask = f"from importlib.metadata import version; print(version({package!r}))"
        versions[tool] = subprocess.run([python, "-c", ask], check=True, capture_output=True, text=True).stdout.strip()
    return versions


def table(only: str, verbose: bool) -> None:
    versions = install()
    heads = [f"{TOOLS[tool][0]} {versions.get(tool, '(not installed)')}" for tool in TOOLS]
    lines = [f"| change | {' | '.join(heads)} |", "| --- | --- | --- |"]
    footnotes: list[str] = []
    for row in rows():
        if only not in row.name:
            continue
        cells = []
        for tool, case in row.cases.items():
            if tool not in versions:
                cells.append("?")
                continue
            print(f"{row.name}: {tool}", file=sys.stderr)
            cell, parts = outcome(tool, case, verbose), [text for of, text in row.notes if of == tool]
            for of, option, other in row.options:
                if of == tool:
                    parts.append(f"{option}: {outcome(tool, other, verbose)}")
            if parts:
                footnotes.append(f"{TOOLS[tool][0]}, {row.name}: {'; '.join(parts)}.")
                cell += f" ({len(footnotes)})"
            cells.append(cell)
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    print("\n".join(lines) + "\n")
    for number, text in enumerate(footnotes, 1):
        print(f"{number}. {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="rows whose name holds this")
    parser.add_argument("--verbose", action="store_true", help="calls and results of every last run")
    parser.add_argument("--inside", choices=TOOLS, help=argparse.SUPPRESS)
    parser.add_argument("--cached", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        run_one = {"hamilton": run_hamilton, "cocoindex": run_cocoindex}[arguments.inside]
        print(json.dumps(run_one(arguments.cached)))
    else:
        table(arguments.only, arguments.verbose)


if __name__ == "__main__":
    main()
