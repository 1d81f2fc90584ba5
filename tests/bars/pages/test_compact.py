"""Page files are given their space back, beside other processes that have them open."""

import sqlite3
from contextlib import closing
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from kaboom.bars.pages.compact import compact_shard
from kaboom.bars.pages.files import PageFiles
from kaboom.bars.pages.read import read_session
from kaboom.bars.pages.write import write_bars
from kaboom.errors import StoreError
from kaboom.market.calendar import sessions_between
from tests.fixtures.bars.stored_bars import JUNE_2, MINUTES, full_day

SYMBOLS = [str(1301 + n) for n in range(20)]
DAYS = sessions_between(JUNE_2, date(2025, 6, 30))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    files = PageFiles(tmp_path)
    for day in DAYS:
        write_bars(files, MINUTES, full_day(SYMBOLS, day))
    files.close()
    return tmp_path


def test_the_disk_gets_its_space_back(root: Path) -> None:
    files = PageFiles(root)
    done = compact_shard(files, MINUTES, "2025-06", before=DAYS[-2])
    assert done.dropped.buckets == len(DAYS) - 2
    assert done.bytes_after < done.bytes_before * 0.3
    path = files.path(MINUTES, "2025-06")
    assert path.stat().st_size == done.bytes_after
    files.close()


def test_little_is_not_worth_rewriting_a_file(root: Path) -> None:
    files = PageFiles(root)
    before = files.path(MINUTES, "2025-06").stat().st_size
    done = compact_shard(files, MINUTES, "2025-06", before=DAYS[1])
    assert (done.dropped.buckets, done.bytes_after) == (1, before)
    files.close()


def test_who_has_the_file_open_goes_on_reading_and_writing(root: Path) -> None:
    other, files = PageFiles(root), PageFiles(root)
    assert read_session(other, MINUTES, DAYS[0]).height
    compact_shard(files, MINUTES, "2025-06", before=date(2025, 7, 1))
    assert read_session(other, MINUTES, DAYS[0]).is_empty()
    bars = full_day(["7203"], DAYS[3])
    write_bars(other, MINUTES, bars)
    assert_frame_equal(read_session(files, MINUTES, DAYS[3]), bars)
    files.close()
    other.close()


def test_a_reader_under_way_keeps_what_it_sees(root: Path) -> None:
    # The checkpoint of a compaction waits this long for readers, and then continues without them.
    files = PageFiles(root, busy_timeout_s=0.5)
    with closing(sqlite3.connect(files.path(MINUTES, "2025-06"), isolation_level=None)) as reader:
        reader.execute("BEGIN")
        (before,) = reader.execute("SELECT count(*) FROM page").fetchone()
        compact_shard(files, MINUTES, "2025-06", before=DAYS[-1])
        assert reader.execute("SELECT count(*) FROM page").fetchone() == (before,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM page").fetchone() == (len(SYMBOLS),)
    files.close()


def test_a_stuck_writer_is_not_waited_for_forever(root: Path) -> None:
    files = PageFiles(root, busy_timeout_s=0.05)
    with closing(sqlite3.connect(files.path(MINUTES, "2025-06"), isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as caught:
            compact_shard(files, MINUTES, "2025-06", before=DAYS[-1])
        assert caught.value.retryable
        writer.execute("ROLLBACK")
    assert compact_shard(files, MINUTES, "2025-06", before=DAYS[-1]).dropped.bars
    assert pl.concat([read_session(files, MINUTES, day) for day in DAYS])["opened_at"].dt.date().unique().to_list() == [
        DAYS[-1]
    ]
    files.close()
