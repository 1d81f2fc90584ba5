"""Pages and headers that match their checksums, for page files and PostgreSQL alike; damaged ones are logged."""

from collections.abc import Callable, Sequence

import polars as pl
import structlog

from kaboom.bars.pages.codec import PageColumns, decode_sound, page_keys
from kaboom.bars.pages.schema import keys_of, sum_words
from kaboom.bars.store import COVERAGE_SCHEMA

_log = structlog.get_logger(__name__)

_US = 1_000_000
#: The columns of a header that `cover_sum` covers, in its order; the symbol comes before them.
COVER = ("bucket", "n", "first_ts", "last_ts", "flagged", "flags")
#: Symbol, bucket and blob.
type Page = tuple[str, int, bytes]
#: Gives the name of a page, by symbol and bucket, for people.
type NamePage = Callable[[str, int], str]


def decode_logged(pages: Sequence[Page], name_of: NamePage) -> tuple[Sequence[Page], PageColumns]:
    """Return the pages that can be read, and their bars; log the others."""
    keys = page_keys([page[0] for page in pages], [page[1] for page in pages])
    columns, errors = decode_sound([page[2] for page in pages], keys, name_of=lambda i: name_of(*pages[i][:2]))
    for i, e in errors.items():
        _log.warning("page_damaged", page=name_of(*pages[i][:2]), reason=e.message)
    return [page for i, page in enumerate(pages) if i not in errors], columns


def log_damage(page: str) -> None:
    """Log that the header of a page, by its name, does not match its checksum."""
    _log.warning("page_damaged", page=page, reason="its header does not match its checksum")


def drop_damaged(ranked: pl.DataFrame, names: pl.Series, name_of: NamePage) -> pl.DataFrame:
    """Return the headers that match their `cover_sum`, or have none, without it; `symbol` is a rank in `names`."""
    keys = keys_of(names.to_list())[ranked["symbol"].to_numpy()]
    actual = pl.Series(sum_words(keys, [ranked[name].to_numpy() for name in COVER]), dtype=pl.Int64)
    is_sound = (ranked["cover_sum"] == actual).fill_null(value=True)
    if not is_sound.all():
        for rank, bucket in ranked.filter(~is_sound).select("symbol", "bucket").iter_rows():
            log_damage(name_of(names[rank], bucket))
        ranked = ranked.filter(is_sound)
    return ranked.drop("cover_sum")


def to_coverage(ranked: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Return the coverage in `COVERAGE_SCHEMA` from headers of minutes; `symbol` is a rank in `names`."""
    held = name_symbols(ranked.sort("symbol", "bucket"), names)
    held.columns = list(COVERAGE_SCHEMA)
    times = pl.col("first_at", "last_at") * _US
    return held.with_columns(times, pl.col("session").cast(pl.Int32)).cast(COVERAGE_SCHEMA)


def name_symbols(ranked: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Return rows with names for the ranks of their symbols."""
    return ranked.with_columns(symbol=names.gather(ranked["symbol"]))
