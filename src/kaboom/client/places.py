"""Where a Kaboom is: its data folder, its address, its token."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kaboom.drivers.embedded.run_file import NAME, prove_token, read_run_file
from kaboom.drivers.embedded.run_file import find_data_dir as find_running
from kaboom.drivers.embedded.trusted_files import read_trusted
from kaboom.errors import NotAuthorized

TOKEN_FILE = "ingest-token"  # noqa: S105  the name of a file


def find_data_dir(named: str | Path | None = None) -> Path:
    """Return the data folder: the one named, KABOOM_DATA_DIR, the nearest where Kaboom ran, else `.kaboom`.

    Raises:
        ConfigurationError: another user can have put the nearest one there.

    """
    named = named or os.environ.get("KABOOM_DATA_DIR")
    return Path(named) if named else (find_running() or Path(".kaboom"))


def find_run(data_dir: Path) -> Mapping[str, Any]:
    """Return the description of the Kaboom that runs on a data folder, or {}."""
    return read_run_file(data_dir)


def find_url(named: str | None, data_dir: Path) -> str | None:
    """Return the server's address: the one named, KABOOM_API_URL, the Kaboom on the data folder, else None."""
    return named or os.environ.get("KABOOM_API_URL") or find_run(data_dir).get("api_url")


def find_token(data_dir: Path, *, named_url: str | None = None, given: str | None = None) -> str | None:
    """Return the token for the server: `given`, the first of INGEST_API_TOKEN, else of the data folder, else None.

    `named_url` is the one that `find_url` was given. Where the data folder names the address, a token from outside of
    the folder goes only to a Kaboom that was started with it: a planted file must not get it.

    Raises:
        NotAuthorized: that Kaboom was not started with the token.
        ConfigurationError: another user can have written the file of the token.

    """
    if not (token := given or _first(os.environ.get("INGEST_API_TOKEN", ""))):
        return _first((read_trusted(data_dir, TOKEN_FILE) or b"").decode(errors="replace"))
    run = find_run(data_dir)
    api_url = str(run.get("api_url"))
    if named_url or os.environ.get("KABOOM_API_URL") or prove_token(token, data_dir, api_url) in run.get("proofs", ()):
        return token
    raise NotAuthorized(
        f"the token was not sent: {data_dir / NAME} names the address {api_url}, and that Kaboom was not started with"
        f" this token. If you trust the address, set KABOOM_API_URL to it; unset INGEST_API_TOKEN to use the token of"
        " the folder"
    )


def _first(text: str) -> str | None:
    # All are valid; the first is the newest.
    return next(iter(text.split()), None)
