"""A file that would take more memory than it may, that never ends or is damaged is refused by name, and not read."""

import gzip
import os
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.open_provider import build_provider
from kaboom.domain_settings import BatchSettings
from kaboom.errors import ProviderError
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.file.check import describe_files
from kaboom.providers.file.folder import FileLimits, SourceFile
from kaboom.providers.file.provider import FileProvider, FileRules

pytestmark = pytest.mark.anyio

HEADER = b"Date,Open,High,Low,Close,Volume\n"
ROWS = b"".join(b"2024-11-%02d,1,2,1,1.5,%d\n" % (day, day * 100) for day in range(1, 29))
DAYS = tuple(date(2024, 11, day) for day in range(1, 29))
MIB = 1 << 20


async def fetch(folder: Path, *, max_mb: int = 1) -> FetchedBars:
    provider = FileProvider(folder, FileRules(limits=FileLimits(max_mb)))
    return await provider.fetch_bars(BarRequest(("7203",), Interval.D1, DAYS))


async def refusal(folder: Path, *, max_mb: int = 1) -> str:
    fetched = await fetch(folder, max_mb=max_mb)
    assert fetched.bars.is_empty()
    outcome = fetched.outcomes["7203"]
    assert outcome.outcome is Outcome.INVALID
    return outcome.message


@pytest.fixture
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 40 * MIB, f"{peak:,} bytes"


@pytest.mark.usefixtures("little_memory")
async def test_a_small_gzip_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "7203.csv.gz", "wb", 1) as packed:
        packed.write(HEADER)
        for _ in range(200):
            packed.write(b"2024-11-05,1,2,1,1.5,100\n" * 40_000)
    assert (tmp_path / "7203.csv.gz").stat().st_size < 2 * MIB
    assert await refusal(tmp_path, max_mb=8) == (
        "7203.csv.gz: expected at most 8 MiB, unpacked (KABOOM_FILE_MAX_MB), and it is larger; split the file or set a"
        " higher limit"
    )


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("content", [bytes(64 * MIB), b"A" * (64 * MIB), b"," * (64 * MIB)], ids=["nul", "a", "commas"])
async def test_a_line_without_end_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "7203.csv.gz").write_bytes(gzip.compress(content, 1))
    del content
    assert "expected a header of at most 65,536 bytes" in await refusal(tmp_path)


async def test_a_long_line_after_the_header_is_refused(tmp_path: Path) -> None:
    (tmp_path / "7203.csv").write_bytes(HEADER + ROWS + b"2024-11-29," + b"9" * (2 * MIB))
    assert "and it is larger" in await refusal(tmp_path)


async def test_a_file_of_empty_lines_is_refused(tmp_path: Path) -> None:
    (tmp_path / "7203.csv").write_bytes(HEADER + ROWS + b"\n" * (MIB // 2))
    assert "and it has 524,317 lines" in await refusal(tmp_path)


async def test_a_table_of_very_many_equal_rows_is_refused(tmp_path: Path) -> None:
    rows = 5_000_000
    columns = {name: pl.repeat(1.0, rows, eager=True) for name in ("open", "high", "low", "close", "volume")}
    day = pl.repeat(date(2024, 11, 5), rows, eager=True)
    pl.DataFrame({"date": day, **columns}).write_parquet(tmp_path / "7203.parquet")
    assert (tmp_path / "7203.parquet").stat().st_size < MIB
    assert "and it has 5,000,000 rows" in await refusal(tmp_path, max_mb=16)


@pytest.mark.usefixtures("little_memory")
async def test_panels_of_very_many_empty_cells_are_refused(tmp_path: Path) -> None:
    head = ",".join(["date", *(str(1300 + n) for n in range(1000))])
    for name in ("open", "high", "low", "close"):
        with gzip.open(tmp_path / f"{name}.csv.gz", "wt") as packed:
            packed.write(head + "\n")
            packed.writelines(f"2024-{n // 28 + 1:02}-{n % 28 + 1:02}{',' * 1000}\n" for n in range(300))
    [shown] = describe_files(FileProvider(tmp_path, FileRules(limits=FileLimits(2))))
    assert "it has 300 rows of 4004 columns" in shown["refusals"][0]["why"]


@pytest.mark.parametrize("kind", [pl.String, pl.Categorical, pl.Binary])
async def test_a_table_that_repeats_a_long_text_is_refused(tmp_path: Path, kind: pl.DataType) -> None:
    rows = 20_000
    columns = {name: pl.repeat(1.0, rows, eager=True) for name in ("open", "high", "low", "close", "volume")}
    day = pl.Series(["2024-11-05" * 100], dtype=pl.String).cast(kind).gather(pl.zeros(rows, pl.UInt32, eager=True))
    pl.DataFrame({"date": day, **columns}).write_parquet(tmp_path / "7203.parquet")
    assert (tmp_path / "7203.parquet").stat().st_size < MIB
    assert "and its texts have 20,000,000 bytes" in await refusal(tmp_path, max_mb=8)


async def test_a_table_of_lists_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    columns = {name: [1.0] * len(DAYS) for name in ("high", "low", "close", "volume")}
    pl.DataFrame({"date": DAYS, "open": [[1.0] * 1000] * len(DAYS), **columns}).write_parquet(tmp_path / "7203.parquet")
    assert "expected a value in each cell, found lists in column open" in await refusal(tmp_path)


async def test_a_file_within_the_limit_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "7203.csv.gz").write_bytes(gzip.compress(HEADER + ROWS))
    assert (await fetch(tmp_path)).bars["volume"].to_list() == [day * 100 for day in range(1, 29)]


async def test_a_gzip_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(HEADER + ROWS)
    place = tmp_path / "7203.csv.gz"
    for cut in range(len(packed)):
        place.write_bytes(packed[:cut])
        assert "7203.csv.gz" in await refusal(tmp_path), cut


async def test_a_damaged_gzip_gives_its_rows_or_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(HEADER + ROWS)
    place = tmp_path / "7203.csv.gz"
    place.write_bytes(packed)
    whole = (await fetch(tmp_path)).bars
    for at in range(len(packed)):
        place.write_bytes(packed[:at] + bytes([packed[at] ^ 0x55]) + packed[at + 1 :])
        fetched = await fetch(tmp_path)
        # A damaged name in the gzip's head does no harm.
        assert fetched.bars.equals(whole) or "7203.csv.gz" in fetched.outcomes["7203"].message, at


async def test_a_table_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "7203.parquet"
    columns = {name: [1.0] * len(DAYS) for name in ("open", "high", "low", "close", "volume")}
    pl.DataFrame({"date": DAYS, **columns}).write_parquet(place)
    whole = place.read_bytes()
    for cut in range(0, len(whole), 7):
        place.write_bytes(whole[:cut])
        assert "7203.parquet" in await refusal(tmp_path), cut


async def test_pipes_devices_and_loops_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "6758.csv")
    (tmp_path / "9984.csv").symlink_to("/dev/zero")
    (tmp_path / "1301.csv").symlink_to(tmp_path / "1301.csv")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "7203.csv").write_bytes(HEADER + ROWS)
    assert (await fetch(tmp_path)).bars.height == len(DAYS)


def test_a_pipe_that_takes_a_files_place_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "7203.csv")
    found: list[str] = []

    def read() -> None:
        try:
            FileLimits().read_csv(SourceFile(tmp_path / "7203.csv", "7203.csv", 0, 0))
        except ProviderError as e:
            found.append(e.message)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    reader.join(10)
    assert found == ["7203.csv: expected a regular file, found a pipe, a device or a folder"]


async def test_the_limit_is_a_setting(tmp_path: Path) -> None:
    (tmp_path / "7203.csv").write_bytes(HEADER + ROWS + b"\n" * (2 * MIB))
    settings = BatchSettings(provider="file", file_dir=tmp_path, file_max_mb=1)
    fetched = await build_provider(settings, "file").fetch_bars(BarRequest(("7203",), Interval.D1, DAYS))
    assert "at most 1 MiB" in fetched.outcomes["7203"].message
