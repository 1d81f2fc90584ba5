"""Where a Kaboom is: its data folder, its address, its token."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batch.kit.embedded.run_file import find_data_dir as find_running
from batch.kit.embedded.run_file import read_run_file

TOKEN_FILE = "ingest-token"  # noqa: S105  the name of a file


def find_data_dir(named: str | Path | None = None) -> Path:
    """Return the data folder: the one named, KABOOM_DATA_DIR, the nearest where Kaboom ran, else `.kaboom`."""
    named = named or os.environ.get("KABOOM_DATA_DIR")
    return Path(named) if named else (find_running() or Path(".kaboom"))


def find_run(data_dir: Path) -> Mapping[str, Any]:
    """Return the description of the Kaboom that runs on a data folder, or {}."""
    return read_run_file(data_dir)


def find_url(named: str | None, data_dir: Path) -> str | None:
    """Return the server's address: the one named, KABOOM_API_URL, the Kaboom on the data folder, else None."""
    return named or os.environ.get("KABOOM_API_URL") or find_run(data_dir).get("api_url")


def find_token(data_dir: Path) -> str | None:
    """Return the token for the server: the first of INGEST_API_TOKEN, else of the data folder, else None."""
    try:
        text = os.environ.get("INGEST_API_TOKEN") or (data_dir / TOKEN_FILE).read_text(encoding="utf-8")
    except OSError:
        return None
    # All are valid; the first is the newest.
    return next(iter(text.split()), None)
