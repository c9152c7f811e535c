"""Who does the work of W1: flowstone, CocoIndex, and a native program without a cache. All make the same table."""

import hashlib
import json
import shutil
import sqlite3
from pathlib import Path

from suite import rivals
from suite.figures import FLOWSTONE
from suite.process import Cost, measure, size_of

HERE = Path(__file__).resolve().parent
FLOOR = HERE / "native/Cargo.toml"
COCOINDEX = "cocoindex==1.0.26"
# The code that counts words: as it is, with equal results, and with others.
SAME, EQUAL, OTHER = "same", "equal", "other"


class Flowstone:
    """A project with the flow of W1; other code is another build of the plugin, its source edited."""

    name = FLOWSTONE
    # What the exported function does, in the plugin's source.
    COUNT = "        words::count(text)"
    EDITS = {EQUAL: "        words::count(text.trim_end())", OTHER: COUNT + " + 1"}

    def __init__(self, folder: Path, docs: Path, binary: Path):
        self.folder, self.binary, self.docs = folder, binary, docs
        lay_out(folder, docs)
        self.database = folder / "out/chunks.db"
        self.store = folder / ".flowstone"

    def code(self, which: str) -> None:
        if which == SAME:
            plugin = rivals.plugin("text")
        else:
            plugin = rivals.edited_plugin("text", which, "src/lib.rs", self.COUNT, self.EDITS[which])
        shutil.copy(plugin, self.folder / "text.wasm")

    def run(self) -> tuple[Cost, dict[str, float]]:
        cost = measure([self.binary, "run", self.folder, "--json", "--quiet"])
        transforms = json.loads(cost.output)["transforms"].values()
        return cost, {"calls": sum(transform["called"] for transform in transforms)}


class CocoIndex:
    """The same flow in Python; other code is an edit of the file."""

    name = "CocoIndex"
    COUNT = "return len(text.split())"
    EDITS = {SAME: COUNT, EQUAL: "return len(text.rstrip().split())", OTHER: COUNT + " + 1"}

    def __init__(self, folder: Path, docs: Path):
        self.python = rivals.python(COCOINDEX)
        self.folder = folder
        folder.mkdir()
        self.database, self.store = folder / "chunks.db", folder / "store"
        self.environment = {"DOCS": str(docs), "DATABASE": str(self.database), "COCOINDEX_DB": str(self.store)}
        self.code(SAME)

    def code(self, which: str) -> None:
        flow = (HERE / "cocoindex_flow.py").read_text()
        (self.folder / "flow.py").write_text(rivals.replaced(flow, self.COUNT, self.EDITS[which]))

    def run(self) -> tuple[Cost, dict[str, float]]:
        return measure([self.python, "flow.py"], self.folder, self.environment), {}


class Native:
    """Everything anew each time."""

    name = "native"

    def __init__(self, folder: Path, docs: Path):
        self.program, self.docs = rivals.crate(FLOOR, "floor"), docs
        folder.mkdir()
        self.database = folder / "chunks.db"
        self.store = None

    def run(self) -> tuple[Cost, dict[str, float]]:
        self.database.unlink(missing_ok=True)
        return measure([self.program, "documents", self.docs, self.database]), {}


Contender = Flowstone | CocoIndex | Native


def lay_out(project: Path, docs: Path) -> None:
    """A project of flowstone with the flow of W1 over a folder of documents."""
    project.mkdir(parents=True)
    flow = rivals.replaced((HERE / "flow.toml").read_text(), 'source = "../../plugins/text"', 'component = "text.wasm"')
    (project / "flow.toml").write_text(rivals.replaced(flow, 'docs = "docs"', f"docs = {json.dumps(str(docs))}"))
    shutil.copy(rivals.plugin("text"), project / "text.wasm")


def measured(contender: Contender) -> dict[str, float]:
    """One run: what it cost, and what the store takes after it."""
    cost, more = contender.run()
    store = {"store": size_of(contender.store)} if contender.store else {}
    return {**cost.values(), **more, **store}


def table(contender: Contender) -> tuple[int, str]:
    """How many rows the table has, and a digest of them."""
    digest, rows = hashlib.blake2b(), 0
    database = sqlite3.connect(contender.database)
    for row in database.execute("SELECT path, ordinal, text, words FROM chunk ORDER BY path, ordinal"):
        digest.update(repr(row).encode())
        rows += 1
    database.close()
    return rows, digest.hexdigest()
