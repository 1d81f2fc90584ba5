"""Damaged history of a page file is named, costs its own page, and begins again after a repair."""

import sqlite3
import struct
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import date, datetime
from pathlib import Path

import pytest

from kaboom.bars.pages.store import PageBarStore
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest, StoreDamaged
from tests.fixtures.bars.stored_bars import JUNE_2, MINUTES, at, bar, frame

pytestmark = pytest.mark.anyio
_SPAN = {"start": at(date(2020, 1, 1)), "end": at(date(2030, 1, 1))}
_LAST = 2**63 - 1
_RUN = struct.Struct("<qI").pack(int(at(JUNE_2, 2).timestamp()), 2**31)
#: Too short, ending within a number, without its second number, far too old.
_RUNS = [b"\1", _RUN + b"\x80", _RUN + b"\1", _RUN + b"\xff" * 12 + b"\1\1"]
_OF_7203 = "WHERE sid = (SELECT id FROM sym WHERE symbol = '7203')"
_REPLACED = "WHERE page & 1048575 = (SELECT id FROM sym WHERE symbol = '7203')"


@pytest.fixture
def moments() -> list[datetime]:
    return []


@pytest.fixture
async def store(tmp_path: Path, moments: list[datetime]) -> AsyncIterator[PageBarStore]:
    """A store with two symbols, whose bars were corrected, and then more were added; and the moments between."""
    made = PageBarStore(tmp_path)
    for minutes, close in (((0, 1), 100.0), ((0, 1), 200.0), ((2,), 300.0)):
        await made.write(MINUTES, frame(*(bar(s, at(JUNE_2, m), close) for s in ("1301", "7203") for m in minutes)))
        moments.append(utc_now())
    yield made
    await made.close()


def change(root: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(root / "synthetic/1m/2025-06.sqlite")) as sql, sql:
        assert sql.execute(statement, values).rowcount == 1


async def faults(store: PageBarStore) -> list[str]:
    return [Path(fault.where).name for fault in (await store.verify()).faults]


@pytest.mark.parametrize("runs", _RUNS, ids=bytes.hex)
async def test_damaged_runs_are_named_wherever_they_are_read(
    store: PageBarStore, tmp_path: Path, moments: list[datetime], runs: bytes
) -> None:
    change(tmp_path, f"UPDATE page SET grown = ? {_OF_7203}", runs)

    assert await faults(store) == ["2025-06.sqlite 7203 2025-06-02 (history)"]
    then = store.known_at(moments[1])
    for question in (
        then.read(MINUTES, "7203", **_SPAN),
        then.read_session(MINUTES, JUNE_2),
        then.coverage(MINUTES, first=JUNE_2, last=JUNE_2),
        then.latest(MINUTES),
    ):
        with pytest.raises(StoreDamaged, match=r"7203 2025-06-02 \(history\) is damaged"):
            await question
    assert (await then.read(MINUTES, "1301", **_SPAN)).height == 2


async def test_bars_that_damaged_runs_cannot_take_are_refused_alone(store: PageBarStore, tmp_path: Path) -> None:
    change(tmp_path, f"UPDATE page SET grown = ? {_OF_7203}", b"\1")

    report = await store.write(MINUTES, frame(*(bar(s, at(JUNE_2, 3)) for s in ("1301", "7203"))))

    assert (report.written, [(each.symbol, each.bars) for each in report.refused]) == (1, [("7203", 1)])
    assert "7203 2025-06-02 (history) is damaged" in report.refused[0].reason
    assert (await store.read(MINUTES, "1301", **_SPAN)).height == 4


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        *((f"UPDATE page SET grown = ? {_OF_7203}", (runs,)) for runs in _RUNS),
        *((f"UPDATE page SET since = ? {_OF_7203}", (since,)) for since in (-1, 4, _LAST)),
        *((f"UPDATE replaced SET no = ? {_REPLACED}", (no,)) for no in (-1, 4, _LAST)),
    ],
    ids=range(10),
)
async def test_a_repair_has_a_damaged_history_begin_again(
    store: PageBarStore, tmp_path: Path, moments: list[datetime], statement: str, values: tuple[object, ...]
) -> None:
    change(tmp_path, statement, *values)
    (planned,) = await store.repair(is_dry=True)
    assert await faults(store) == ["2025-06.sqlite 7203 2025-06-02 (history)"]

    (mended,) = await store.repair(is_dry=False)

    assert (planned.gaps, mended.gaps) == ((), ())
    assert mended.kept.endswith("2025-06.pages.jsonl")
    assert (await faults(store), await store.repair(is_dry=False)) == ([], ())
    with pytest.raises(InvalidRequest, match="7203 2025-06-02 away"):
        await store.known_at(moments[1]).read(MINUTES, "7203", **_SPAN)
    assert (await store.known_at(moments[1]).read(MINUTES, "1301", **_SPAN)).height == 2
    assert (await store.known_at(utc_now()).read(MINUTES, "7203", **_SPAN)).height == 3
    assert (await store.write(MINUTES, frame(bar("7203", at(JUNE_2, 3))))).written == 1


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM moment WHERE no = 0",
        f"UPDATE moment SET at = {_LAST} WHERE no = 3",
        f"UPDATE moment SET at = {_LAST} WHERE no = 0",
        "UPDATE moment SET at = 1 WHERE no = 2",
        f"UPDATE moment SET no = {_LAST} WHERE no = 3",
    ],
)
async def test_damaged_moments_are_named_and_the_history_begins_again(
    store: PageBarStore, tmp_path: Path, moments: list[datetime], statement: str
) -> None:
    change(tmp_path, statement)
    assert "2025-06.sqlite (history)" in await faults(store)

    mended = await store.repair(is_dry=False)

    assert mended[0].done == "the history begins now; earlier moments cannot be read"
    assert (await faults(store), await store.repair(is_dry=False)) == ([], ())
    with pytest.raises(InvalidRequest, match=r"the history of synthetic/1m/2025-06\.sqlite begins there"):
        await store.known_at(moments[1]).read(MINUTES, "7203", **_SPAN)
    assert (await store.known_at(utc_now()).read(MINUTES, "7203", **_SPAN))["close"].to_list() == [200.0, 200.0, 300.0]
    assert (await store.write(MINUTES, frame(bar("7203", at(JUNE_2), 400.0)))).corrected == 1
    assert (await store.known_at(utc_now()).read(MINUTES, "7203", **_SPAN))["close"].to_list() == [400.0, 200.0, 300.0]


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM moment",
        f"UPDATE moment SET at = {_LAST} WHERE no = 3",
        f"UPDATE moment SET no = {_LAST} WHERE no = 3",
    ],
)
async def test_a_write_to_a_file_of_damaged_moments_names_them(
    store: PageBarStore, tmp_path: Path, statement: str
) -> None:
    with closing(sqlite3.connect(tmp_path / "synthetic/1m/2025-06.sqlite")) as sql, sql:
        sql.execute(statement)
    with pytest.raises(StoreDamaged, match=r"the moments of bar file .*2025-06\.sqlite are damaged"):
        await store.write(MINUTES, frame(bar("7203", at(JUNE_2), 400.0)))
