"""Names of symbols from the user's own files, for those symbols that no list has."""

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path

import orjson

from kaboom.drivers.drafts import write_durably
from kaboom.errors import StoreDamaged
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.universe import Universe

_FILE = "names_of_files.json"


def keep_names(names: Mapping[str, str], into: Path) -> None:
    """Keep the names of some symbols in a directory of lists, beside those of others; a later name of one counts."""
    known = _load(into)
    if not names.items() <= known.items():
        into.mkdir(parents=True, exist_ok=True)
        whole = orjson.dumps({**known, **names}, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
        write_durably(into / _FILE, lambda path: path.write_bytes(whole))


def load_own(folder: Path, session: date, others: Iterable[Universe]) -> Universe:
    """Return the named symbols of the user's files that no other universe has; the names have no dates."""
    listed = {listing.symbol for universe in others for listing in universe.listings}
    own = (
        Listing(symbol, name, Market.FILE, "", "", name if name.isascii() else "")
        for symbol, name in sorted(_load(folder).items())
        if symbol not in listed
    )
    return Universe(Market.FILE, session, "the names in your files", tuple(own))


def _load(folder: Path) -> dict[str, str]:
    path = folder / _FILE
    try:
        known: dict[str, str] = orjson.loads(path.read_bytes()) if path.exists() else {}
    except orjson.JSONDecodeError as e:
        # The next ingest of files writes it again.
        raise StoreDamaged(f"the names in {path} are damaged: {e}", repair=f"rm {path}") from e
    return known
