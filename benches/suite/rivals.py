"""Rivals and side crates: Python packages in a venv, Rust programs in a target folder, all under `target/bench`."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from suite.places import OUT, ROOT, TARGET

VENV = OUT / "venv"
WASM = "wasm32-wasip2"


class Missing(RuntimeError):
    """A rival cannot be had here."""


def _done(command: list, **more) -> None:
    try:
        subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, **more)
    except OSError as error:
        raise Missing(str(error)) from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.strip().splitlines() or [f"status {error.returncode}"]
        raise Missing("; ".join(lines[-3:])) from error


@cache
def python(requirement: str) -> Path:
    """The Python of the venv, in which the requirement is installed."""
    interpreter = VENV / "bin/python"
    if not interpreter.exists():
        _done([sys.executable, "-m", "venv", VENV])
    _done([interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", requirement])
    return interpreter


@cache
def crate(manifest: Path, binary: str) -> Path:
    """A program of a crate that is not of the workspace."""
    folder = OUT / "crates"
    _done(["cargo", "build", "--quiet", "--release", "--locked", "--manifest-path", manifest, "--target-dir", folder])
    return folder / "release" / binary


@cache
def guest(manifest: Path, name: str) -> Path:
    """The component of a crate that is not of the workspace."""
    folder = OUT / "guests"
    _done(["cargo", "build", "--quiet", "--release", "--locked", "--target", WASM, "--manifest-path", manifest,
           "--target-dir", folder])
    return folder / WASM / "release" / f"{name}.wasm"


@cache
def plugin(name: str) -> Path:
    """The component of one of the ready plugins."""
    return _member(ROOT, TARGET, name)


@cache
def edited_plugin(name: str, edit: str, file: str, old: str, new: str) -> Path:
    """The component of a ready plugin whose source was edited: in a copy of the workspace, with a target folder of its own."""
    folder = OUT / "edited" / f"{name}-{edit}"
    for part in ("host", "plugins", "sdk", "tests", "wit"):
        shutil.rmtree(folder / part, ignore_errors=True)
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("target", "node_modules", "gen"))
    for part in ("Cargo.toml", "Cargo.lock"):
        shutil.copy(ROOT / part, folder)
    source = folder / "plugins" / name / file
    source.write_text(replaced(source.read_text(), old, new))
    return _member(folder, folder / "target", name)


def replaced(text: str, old: str, new: str) -> str:
    """The text with one part replaced, which must be there once."""
    if text.count(old) != 1:
        raise SystemExit(f"not once in what is edited: {old!r}")
    return text.replace(old, new)


def _member(workspace: Path, target: Path, name: str) -> Path:
    command = ["cargo", "build", "--quiet", "--release", "--target", WASM, "-p", name]
    _done(command, cwd=workspace, env={**os.environ, "CARGO_TARGET_DIR": str(target)})
    return target / WASM / "release" / f"{name}.wasm"
