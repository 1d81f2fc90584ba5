"""The files in a zip are read as those of a folder; what may escape, burst or mislead is not unpacked."""

import asyncio
import gzip
import os
import shutil
import tracemalloc
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import pytest

from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.file.check import describe_files
from kaboom.providers.file.folder import FileLimits
from kaboom.providers.file.provider import FileProvider, FileRules

DAYS = (date(2024, 11, 5), date(2024, 11, 6))
BARS = b"Date,Open,High,Low,Close,Volume\n2024-11-05,1,2,1,2,100\n2024-11-06,1,2,1,2,100\n"
MIB = 1 << 20


def pack(path: Path, members: Mapping[str, bytes], kind: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def fetch(root: Path, *symbols: str, rules: FileRules | None = None) -> FetchedBars:
    return asyncio.run(FileProvider(root, rules).fetch_bars(BarRequest(symbols, Interval.D1, DAYS)))


def refusals(root: Path) -> dict[str, str]:
    return {each["file"]: each["refusals"][0]["why"] for each in describe_files(FileProvider(root)) if each["refusals"]}


def test_a_zip_is_read_as_a_folder(tmp_path: Path) -> None:
    members = {
        "7203.csv": BARS,
        "./sub/6758.T.csv": BARS,
        "code=9984/part-0.csv.gz": gzip.compress(BARS),
        "notes/README.md": b"x",
        "__MACOSX/._7203.csv": b"x",
        ".hidden.csv": b"x",
    }
    pack(tmp_path / "bars.zip", members)
    assert asyncio.run(FileProvider(tmp_path).fetch_universe(Market.FILE, DAYS[0])) == ("6758", "7203", "9984")
    fetched = fetch(tmp_path, "7203", "6758", "9984")
    assert fetched.outcomes == {}
    assert fetched.bars.group_by("file").len().sort("file").rows() == [
        ("bars.zip/7203.csv", 2),
        ("bars.zip/code=9984/part-0.csv.gz", 2),
        ("bars.zip/sub/6758.T.csv", 2),
    ]
    assert fetch(tmp_path / "bars.zip", "7203").bars.height == 2


def test_names_in_cp932_are_read(tmp_path: Path) -> None:
    pack(tmp_path / "bars.zip", {"7203_AB.csv": BARS})
    content = (tmp_path / "bars.zip").read_bytes().replace(b"_AB", "_株".encode("cp932"))
    (tmp_path / "bars.zip").write_bytes(content)
    assert fetch(tmp_path, "7203").bars["file"].unique().to_list() == ["bars.zip/7203_株.csv"]


@pytest.mark.parametrize("name", ["../7203.csv", "/etc/7203.csv", "a/../../7203.csv", "C:/7203.csv", "C:\\7203.csv"])
def test_a_path_that_may_escape_is_refused_and_its_neighbours_are_read(tmp_path: Path, name: str) -> None:
    pack(tmp_path / "bars.zip", {name: BARS, "6758.csv": BARS})
    assert refusals(tmp_path) == {
        f"bars.zip/{name}": "expected a path within the zip, found one that may lead out of it"
    }
    assert fetch(tmp_path, "6758").bars.height == 2


def test_backslashes_and_a_zip_without_a_file_of_bars_are_refused(tmp_path: Path) -> None:
    pack(tmp_path / "a.zip", {"a\\7203.csv": BARS})
    pack(tmp_path / "b.zip", {"notes.pdf": b"x"})
    pack(tmp_path / "c.zip", {"7203.csv": BARS})
    assert refusals(tmp_path) == {
        "a.zip/a\\7203.csv": "expected / between the folders of a zip, found a backslash: pack it again",
        "b.zip": "expected CSV files in the zip, found none",
    }


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = pack(tmp_path / "bars.zip", {"7203.csv": bytes(32 * MIB)})
    found = f"found {32 * MIB:,} bytes in {path.stat().st_size:,}"
    assert refusals(tmp_path) == {"bars.zip": f"expected a zip that unpacks to at most 200 times its size, {found}"}


def test_a_member_above_the_limit_is_refused(tmp_path: Path) -> None:
    pack(tmp_path / "bars.zip", {"7203.csv": BARS + os.urandom(MIB).hex().encode()})
    outcome = fetch(tmp_path, "7203", rules=FileRules(limits=FileLimits(1))).outcomes["7203"]
    assert outcome.outcome is Outcome.INVALID
    assert "bars.zip/7203.csv: expected at most 1 MiB, unpacked" in outcome.message


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    pack(tmp_path / "bars.zip", {"7203.csv": BARS * 1000})
    size = len(BARS * 1000).to_bytes(4, "little")
    content = (tmp_path / "bars.zip").read_bytes()
    (tmp_path / "bars.zip").write_bytes(content.replace(size, (10_000).to_bytes(4, "little")))
    assert (
        "bars.zip/7203.csv: expected a readable zip file, found: Bad CRC-32"
        in fetch(tmp_path, "7203").outcomes["7203"].message
    )


@pytest.mark.parametrize("cut", [0.3, 0.9, 0.99])
def test_a_cut_zip_is_refused(tmp_path: Path, cut: float) -> None:
    content = pack(tmp_path / "bars.zip", {"7203.csv": BARS}).read_bytes()
    (tmp_path / "bars.zip").write_bytes(content[: int(len(content) * cut)])
    assert refusals(tmp_path) == {"bars.zip": "expected a readable zip file, found: File is not a zip file"}


def test_a_member_with_a_password_another_packing_or_a_link_is_refused(tmp_path: Path) -> None:
    content = bytearray(pack(tmp_path / "locked.zip", {"7203.csv": BARS}).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(content)
    pack(tmp_path / "packed.zip", {"7203.csv": BARS}, zipfile.ZIP_LZMA)
    link = zipfile.ZipInfo("7203.csv")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "../9984.csv")
    assert refusals(tmp_path) == {
        "link.zip/7203.csv": "expected a file, found a link",
        "locked.zip/7203.csv": "expected a zip without a password, found one with a password",
        "packed.zip/7203.csv": "expected a zip that is packed by deflate, found another way",
    }


def test_files_that_are_no_texts_and_names_that_come_twice_are_refused(tmp_path: Path) -> None:
    pack(tmp_path / "bars.zip", {"in.zip": b"x", "7203.parquet": b"x", "7203.csv": BARS, "7204.csv": BARS})
    content = (tmp_path / "bars.zip").read_bytes()
    (tmp_path / "bars.zip").write_bytes(content.replace(b"7204.csv", b"7203.csv"))
    assert refusals(tmp_path) == {
        "bars.zip/in.zip": "expected CSV files in a zip: unpack this one",
        "bars.zip/7203.parquet": "expected CSV files in a zip: unpack this one",
        "bars.zip/7203.csv": "expected names that differ, found the same name twice",
    }


def test_a_directory_of_any_size_is_not_read_to_memory(tmp_path: Path) -> None:
    # A hole of 64 MiB, which takes no disk, and the end of a zip that says it is the directory.
    size = 64 * MIB
    with (tmp_path / "bars.zip").open("wb") as file:
        file.truncate(size)
        file.seek(size)
        file.write(b"PK\x05\x06" + bytes(6) + b"\x01\x00" + size.to_bytes(4, "little") + bytes(6))
    shutil.copy(tmp_path / "bars.zip", tmp_path / "book.xlsx")
    tracemalloc.start()
    found = refusals(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found == {
        "bars.zip": "expected a readable zip file, found: a directory of more than 16,777,216 bytes",
        "book.xlsx": "expected a readable xlsx file, found: a damaged zip",
    }
    assert peak < size / 2


def test_a_very_long_path_is_refused_and_shown_shortened(tmp_path: Path) -> None:
    pack(tmp_path / "bars.zip", {"7" * 60_000 + ".csv": BARS})
    assert refusals(tmp_path) == {f"bars.zip/{'7' * 200}": "expected a path of at most 1,024 characters, found 60,004"}


def test_a_zip_with_very_many_members_is_refused(tmp_path: Path) -> None:
    pack(tmp_path / "bars.zip", {f"{n}.txt": b"" for n in range(20_001)}, zipfile.ZIP_STORED)
    assert refusals(tmp_path) == {"bars.zip": "expected at most 20,000 files in a zip, found 20,001"}


def test_a_replaced_zip_is_read_again(tmp_path: Path) -> None:
    provider = FileProvider(tmp_path)
    request = BarRequest(("7203",), Interval.D1, (*DAYS, date(2024, 11, 7)))
    for height in (2, 3):
        content = BARS + b"2024-11-07,1,2,1,2,9\n" * (height - 2)
        path = pack(tmp_path / "bars.zip", {"7203.csv": content})
        os.utime(path, (height, height))
        assert asyncio.run(provider.fetch_bars(request)).bars.height == height


def test_a_folder_of_refused_zips_says_why(tmp_path: Path) -> None:
    (tmp_path / "bars.zip").write_bytes(b"PK")
    with pytest.raises(Exception, match=r"bars\.zip: expected a readable zip file"):
        asyncio.run(FileProvider(tmp_path).fetch_universe(Market.FILE, DAYS[0]))
