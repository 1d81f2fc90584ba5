"""`run.json`: the addresses and pids of a running Kaboom, so that any client on the machine can attach."""

import os
from pathlib import Path
from typing import Any

import orjson

NAME = "run.json"


def find_data_dir(start: Path | None = None, name: str = ".kaboom") -> Path | None:
    """Return the nearest `name` folder with a `run.json`, in `start` (the working folder) or a parent."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / name / NAME).is_file():
            return folder / name
    return None


def read_run_file(data_dir: Path) -> dict[str, Any]:
    """Return what runs on a data folder, or {} where nothing does."""
    try:
        content: dict[str, Any] = orjson.loads((data_dir / NAME).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return content


def write_private(path: Path, content: bytes) -> None:
    """Write a file for its owner's eyes (0600) in one step: a reader sees the old content or the new."""
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    draft.replace(path)


def write_run_file(data_dir: Path, content: dict[str, Any]) -> None:
    """Write `run.json`, readable by its owner only: it holds passwords."""
    write_private(data_dir / NAME, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
