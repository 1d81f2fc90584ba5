"""A repair of a whole bar store: file by file, beside its writers."""

from collections.abc import Iterator
from datetime import datetime

from batch.bars.actions.check import FILE, find_action_files
from batch.bars.folder.errors import store_errors
from batch.bars.normal import check_source
from batch.bars.pages.files import PageFiles
from batch.bars.pages.repair.actions import replace_actions
from batch.bars.pages.repair.aside import Aside
from batch.bars.pages.repair.files import replace_file
from batch.bars.pages.repair.pages import set_pages_aside
from batch.bars.pages.repair.port import Mended
from batch.bars.pages.verify import check_pages
from batch.errors import InvalidRequest
from batch.market.bar import BarSeries
from batch.market.interval import parse_interval


def repair(files: PageFiles, *, at: datetime, is_dry: bool) -> tuple[Mended, ...]:
    """Set everything damaged aside in a folder named by `at`, and return what that was; in a dry run change nothing.

    Raises:
        StoreError: a file could not be locked, read or written; what was mended before stays mended.

    """
    aside = None if is_dry else Aside(files.root, at)
    mended = list[Mended]()
    for series, shard in _find_shards(files):
        replaced = replace_file(files, series, shard, aside)
        mended += [replaced] if replaced else _repair_pages(files, series, shard, aside)
    with store_errors(files.root):
        paths = {*find_action_files(files.root), *(path for path in files.catalogue.missing() if path.name == FILE)}
    for path in sorted(paths):
        mended += [found] if (found := replace_actions(path, files.catalogue, aside)) else []
    return tuple(mended)


def _repair_pages(files: PageFiles, series: BarSeries, shard: str, aside: Aside | None) -> list[Mended]:
    path = files.path(series, shard)
    with store_errors(path):
        file = files.open(path)
        if file is None:
            return []
        damaged = [page for page in check_pages(file, series) if page.fault]
    return set_pages_aside(file, series, damaged, aside) if damaged else []


def _find_shards(files: PageFiles) -> Iterator[tuple[BarSeries, str]]:
    """Give every page file that is there or should be: listed, or with a write-ahead log left."""
    found = {(series, shard) for series in files.series() for shard in files.shards(series)}
    with store_errors(files.root):
        paths = [*files.catalogue.missing(), *files.lost()]
    for path in paths:
        try:
            check_source(path.parent.parent.name)
            series = BarSeries(path.parent.parent.name, parse_interval(path.parent.name))
        except InvalidRequest:  # not ours
            continue
        found.add((series, path.stem))
    yield from sorted(found, key=lambda each: (each[0].source, each[0].interval, each[1]))
