"""Page files that are gone or damaged as a whole: replaced by what can be read of them."""

import uuid
from contextlib import suppress
from pathlib import Path

from batch.bars.folder.errors import store_errors
from batch.bars.folder.lock import sole_lock
from batch.bars.pages.files import PageFiles
from batch.bars.pages.repair.aside import Aside
from batch.bars.pages.repair.pages import days_of, gaps_of
from batch.bars.pages.repair.port import Gap, Mended
from batch.bars.pages.repair.salvage import Salvaged, buckets_in, salvage
from batch.bars.pages.verify import quick_check
from batch.errors import StoreDamaged, StoreError
from batch.kit.durable import make_folders, sync
from batch.market.bar import BarSeries

_LOCK_S = 60.0


def find_damage(files: PageFiles, series: BarSeries, shard: str) -> str:
    """Return what is wrong with a file as a whole; "" where it can be read.

    Raises:
        StoreError: it is neither sound nor damaged: it is out of reach, or a newer Kaboom's.

    """
    path = files.path(series, shard)
    try:
        with store_errors(path):
            file = files.open(path)
            if file is None:
                return "it is gone"
            return "; ".join(quick_check(file)[:3])
    except StoreDamaged as e:
        return e.damage


def replace_file(files: PageFiles, series: BarSeries, shard: str, aside: Aside | None) -> Mended | None:
    """Set a damaged file aside and put what can be read of it in its place; without `aside` only look.

    Every writer of the folder is kept out meanwhile, for the seconds that reading takes. None where the file is sound.

    Raises:
        StoreError: writers did not make way, or the disk refused; the damaged file is as it was.

    """
    path = files.path(series, shard)
    if aside is None:
        damage = find_damage(files, series, shard)
        done = "what can be read of the file would be kept, the rest set aside"
        return Mended(str(path), damage, done, gaps=_whole(files, series, shard)) if damage else None
    with store_errors(path):
        make_folders(path.parent)
        with sole_lock(path.parent, within_s=_LOCK_S):
            damage = find_damage(files, series, shard)
            return _replace(files, series, path, damage, aside) if damage else None


def _replace(files: PageFiles, series: BarSeries, path: Path, damage: str, aside: Aside) -> Mended:
    fresh = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.new")
    was_there = path.exists()
    try:
        saved = salvage(path, fresh, series)
        # The log first: beside the fresh file it would be taken for its own.
        kept = aside.keep_file(path, "-wal", "-shm")
        fresh.replace(path)
        sync(path.parent)
    finally:
        fresh.unlink(missing_ok=True)
    files.catalogue.note(path)
    done = f"a new file has the {saved.pages} pages that could be read" if was_there else "an empty file took its place"
    return Mended(str(path), damage, done, str(kept) if _is_kept(kept) else "", _gaps(files, series, path.stem, saved))


def _is_kept(kept: Path) -> bool:
    return kept.exists() or kept.with_name(f"{kept.name}-wal").exists()


def _gaps(files: PageFiles, series: BarSeries, shard: str, saved: Salvaged) -> tuple[Gap, ...]:
    return gaps_of(series, saved.lost) if saved.symbols else _whole(files, series, shard)


def _whole(files: PageFiles, series: BarSeries, shard: str) -> tuple[Gap, ...]:
    """Return everything that a file can hold, of the symbols that the source's other files know of."""
    buckets = buckets_in(shard)
    if not buckets:
        return ()
    # Of daily bars nobody knows how far back they went; a year is what most ask for.
    first, last = (buckets[0], buckets[-1]) if series.interval.is_intraday else (buckets[-2] - 1, buckets[-2])
    days = days_of(series, first)[0], days_of(series, last)[1]
    return (Gap(series, tuple(sorted(_known_symbols(files, series.source))), *days, is_guess=True),)


def _known_symbols(files: PageFiles, source: str) -> set[str]:
    known = set[str]()
    for series in files.series():
        for shard in files.shards(series) if series.source == source else ():
            path = files.path(series, shard)
            with suppress(StoreError), store_errors(path):
                file = files.open(path)
                known |= {row[0] for row in file.sql.execute("SELECT symbol FROM sym")} if file else set()
    return known
