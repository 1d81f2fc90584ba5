"""Repairing page files that are missing or damaged as a whole: a new file gets the pages that can be read."""

from contextlib import suppress
from pathlib import Path

from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.repair.archive import DamageArchive
from kaboom.bars.pages.repair.pages import days_of, gaps_of
from kaboom.bars.pages.repair.port import Gap, RepairedItem
from kaboom.bars.pages.repair.replace import sole_writer, swap_file
from kaboom.bars.pages.repair.salvage import buckets_in, salvage
from kaboom.bars.pages.verify import check_structure
from kaboom.errors import StoreDamaged, StoreError
from kaboom.market.bar import BarSeries


def find_damage(files: PageFiles, series: BarSeries, shard: str) -> str:
    """Return the damage of a file as a whole; "" if the file can be read.

    Raises:
        StoreError: the file cannot be reached, or a newer Kaboom wrote it.

    """
    try:
        with files.opened(series, shard) as file:
            return "it is missing" if file is None else "; ".join(check_structure(file, with_indexes=False)[:3])
    except StoreDamaged as e:
        return e.damage


def replace_file(files: PageFiles, series: BarSeries, shard: str, archive: DamageArchive | None) -> RepairedItem | None:
    """Replace a damaged file; without `archive` only report. None if the file is sound.

    All writers of the folder wait meanwhile, for the seconds that reading takes.

    Raises:
        StoreError: writers did not release the lock, or the disk failed; the damaged file is unchanged.

    """
    path = files.path(series, shard)
    if archive is None:
        damage = find_damage(files, series, shard)
        done = "the pages that can be read would be kept, the file moved to the archive"
        return RepairedItem(str(path), damage, done, gaps=_whole(files, series, shard)) if damage else None
    with sole_writer(path):
        damage = find_damage(files, series, shard)
        return _replace(files, series, path, damage, archive) if damage else None


def _replace(files: PageFiles, series: BarSeries, path: Path, damage: str, archive: DamageArchive) -> RepairedItem:
    existed = path.exists()
    saved, kept = swap_file(path, lambda fresh: salvage(path, fresh, series), files.catalogue, archive, "-wal", "-shm")
    has_kept = kept.exists() or kept.with_name(f"{kept.name}-wal").exists()
    done = f"a new file has the {saved.pages} pages that could be read" if existed else "a new file is empty"
    gaps = gaps_of(series, saved.lost) if saved.symbols else _whole(files, series, path.stem)
    return RepairedItem(str(path), damage, done, str(kept) if has_kept else "", gaps)


def _whole(files: PageFiles, series: BarSeries, shard: str) -> tuple[Gap, ...]:
    """Return everything that a file can hold, of the symbols in the source's other files."""
    buckets = buckets_in(shard)
    if not buckets:
        return ()
    # How far back daily bars went is unknown; most users ask for a year.
    first, last = (buckets[0], buckets[-1]) if series.interval.is_intraday else (buckets[-2] - 1, buckets[-2])
    days = days_of(series, first)[0], days_of(series, last)[1]
    return (Gap(series, tuple(sorted(_known_symbols(files, series.source))), *days, is_guess=True),)


def _known_symbols(files: PageFiles, source: str) -> set[str]:
    known = set[str]()
    for series in files.series():
        for shard in files.shards(series) if series.source == source else ():
            with suppress(StoreError), files.opened(series, shard) as file:
                known |= {row[0] for row in file.sql.execute("SELECT symbol FROM sym")} if file else set()
    return known
