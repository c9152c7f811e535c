"""What rivals.py runs with CocoIndex: a component for each file, with memoized functions inside, as documented."""

import json
import os
import pathlib
from typing import Any

import cocoindex as coco
import wordlib
from calls import called
from cocoindex.connectors import localfs
from cocoindex.resources.file import FileLike

FACTOR = 1


def _split(text: str) -> list[str]:
    return text.split()


@coco.fn(memo=True)
def words(text: str) -> int:
    """Counts words."""
    called("words")
    return FACTOR * len(_split(text)) + wordlib.extra(text)


@coco.fn(memo=True)
def report(words: int) -> str:
    called("report")
    return f"{words} words"


@coco.fn(memo=True)
def other(text: str) -> int:
    called("other")
    return len(text)


@coco.fn(memo=True)
def kind(value: Any) -> str:
    called("kind")
    return type(value).__name__


@coco.fn(memo=True)
async def process_file(file: FileLike, target: localfs.DirTarget) -> None:
    called("component")
    text = await file.read_text()
    row = [report(words(text)), other(text), kind(json.loads(text))]
    target.declare_file(filename=file.file_path.path.name, content=json.dumps(row))


@coco.fn
async def app_main(docs: pathlib.Path, out: pathlib.Path) -> None:
    target = await localfs.mount_dir_target(out)
    await coco.mount_each(process_file, localfs.walk_dir(docs).items(), target)


app = coco.App("rivals", app_main, docs=pathlib.Path("docs"), out=pathlib.Path(os.environ["OUT"]))
