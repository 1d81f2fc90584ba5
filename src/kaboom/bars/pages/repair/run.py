"""Repairing a whole bar store, file by file, while other processes write."""

from collections.abc import Iterator
from datetime import datetime

from kaboom.bars.actions.damage import FILE, find_action_files
from kaboom.bars.folder.errors import store_errors
from kaboom.bars.normalise import check_source
from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.repair.actions import replace_actions
from kaboom.bars.pages.repair.archive import DamageArchive
from kaboom.bars.pages.repair.files import replace_file
from kaboom.bars.pages.repair.headers import add_sums, rebuild_indexes
from kaboom.bars.pages.repair.history import mark_damaged_history
from kaboom.bars.pages.repair.pages import remove_damaged_pages
from kaboom.bars.pages.repair.port import RepairedItem
from kaboom.bars.pages.verify import check_pages
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BarSeries
from kaboom.market.interval import parse_interval


def repair(files: PageFiles, *, at: datetime, is_dry: bool) -> tuple[RepairedItem, ...]:
    """Repair everything as `RepairableStore.repair` says; the archive's folder is named by `at`."""
    archive = None if is_dry else DamageArchive(files.root, at)
    mended = list[RepairedItem]()
    for series, shard in _find_shards(files):
        replaced = replace_file(files, series, shard, archive)
        mended += [replaced] if replaced else _repair_pages(files, series, shard, archive)
        if not (replaced and is_dry):  # in a dry run the damaged file is still there
            mended += _add_sums(files, series, shard, is_dry=is_dry)
    mended += _list_files(files, archive)
    with store_errors(files.root):
        paths = {*find_action_files(files.root), *(path for path in files.catalogue.missing() if path.name == FILE)}
    for path in sorted(paths):
        mended += [found] if (found := replace_actions(path, files.catalogue, archive)) else []
    return tuple(mended)


def _repair_pages(files: PageFiles, series: BarSeries, shard: str, archive: DamageArchive | None) -> list[RepairedItem]:
    with files.opened(series, shard) as file:
        if file is None:
            return []
        mended = rebuild_indexes(file, series, is_dry=archive is None)
        damaged = [page for page in check_pages(file, series) if page.fault]
        mended += remove_damaged_pages(file, series, damaged, archive) if damaged else []
        return [*mended, *mark_damaged_history(file, archive)]


def _add_sums(files: PageFiles, series: BarSeries, shard: str, *, is_dry: bool) -> list[RepairedItem]:
    with files.opened(series, shard) as file:
        return add_sums(file, series, is_dry=is_dry) if file else []


def _list_files(files: PageFiles, archive: DamageArchive | None) -> list[RepairedItem]:
    with store_errors(files.root):
        if not files.catalogue.is_lost():
            return []
        if archive is not None:
            files.catalogue.make()
    done = "a new list would have" if archive is None else "a new list has"
    return [RepairedItem(str(files.catalogue.path), "the list of files is missing", f"{done} the files that are there")]


def _find_shards(files: PageFiles) -> Iterator[tuple[BarSeries, str]]:
    """Yield every page file that exists, is in the catalogue, or has left a write-ahead log."""
    found = {(series, shard) for series in files.series() for shard in files.shards(series)}
    with store_errors(files.root):
        paths = [*files.catalogue.missing(), *files.lost()]
    for path in paths:
        try:
            check_source(path.parent.parent.name)
            series = BarSeries(path.parent.parent.name, parse_interval(path.parent.name))
        except InvalidRequest:  # not a file of a bar store
            continue
        found.add((series, path.stem))
    yield from sorted(found, key=lambda each: (each[0].source, each[0].interval, each[1]))
