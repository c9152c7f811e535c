"""The flow of W1 with CocoIndex: a component for each file, a memo for each chunk's count, a row for each chunk.

The chunks are those of `plugins/text` for text like that of the corpus: they end at the last sentence in the latter half,
else at the last word. With `live` as argument it goes on, and follows what changes.
"""

import os
import pathlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import cocoindex as coco
from cocoindex.connectors import localfs, sqlite
from cocoindex.resources.file import FileLike

SIZE = 320
DOCS = pathlib.Path(os.environ["DOCS"])
LIVE = sys.argv[1:] == ["live"]
DATABASE = coco.ContextKey[sqlite.ManagedConnection]("database")


@dataclass
class Chunk:
    path: str
    ordinal: int
    text: str
    words: int


@coco.lifespan
async def lifespan(builder: coco.EnvironmentBuilder):
    builder.provide_with(DATABASE, sqlite.managed_connection(os.environ["DATABASE"]))
    yield


def end_of_chunk(text: str, start: int) -> int:
    full = start + SIZE
    if full >= len(text):
        return len(text)
    # A border is before or after the space that follows a full stop; before it only where the chunk is full there.
    half, found = start + SIZE // 2, full + 1
    while (found := text.rfind(". ", half - 2, found)) >= 0:
        if found + 2 < len(text) and not text[found + 2].islower():
            border = min(found + 2, full)
            if border >= half:
                return border
        found += 1
    space = text.rfind(" ", start + 1, full + 1)
    return min(space + 1, full) if space >= 0 else full


def chunks(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = end_of_chunk(text, start)
        yield text[start:end]
        start = end


@coco.fn(memo=True)
def words(text: str) -> int:
    return len(text.split())


@coco.fn(memo=True)
async def process_file(file: FileLike, table: sqlite.TableTarget[Chunk]) -> None:
    path = pathlib.Path(file.file_path.path).relative_to(DOCS).as_posix()
    for ordinal, text in enumerate(chunks(await file.read_text())):
        table.declare_row(row=Chunk(path, ordinal, text, words(text)))


@coco.fn
async def app_main() -> None:
    schema = await sqlite.TableSchema.from_class(Chunk, primary_key=["path", "ordinal"])
    table = await sqlite.mount_table_target(DATABASE, "chunk", schema)
    files = localfs.walk_dir(DOCS, recursive=True, live=LIVE)
    await coco.mount_each(process_file, files.items(), table)


app = coco.App("documents", app_main)

if __name__ == "__main__":
    app.update_blocking(live=LIVE)
