"""`kaboom bars mirror` with a manifest: to a bucket, to a folder, and what it says."""

import asyncio
from datetime import date
from pathlib import Path

import orjson
import polars as pl
import pytest

from kaboom.bars.export.manifest import name_file
from kaboom.bars.pages.store import PageBarStore
from kaboom.cli.exits import Exit
from tests.fixtures.bars.stored_bars import MINUTES, at, bar, frame
from tests.fixtures.cli import Done, Kaboom
from tests.fixtures.servers.buckets import bucket, buckets
from tests.fixtures.servers.http_servers import Response, serving

__all__ = ["bucket", "buckets"]
DAYS = (date(2025, 10, 31), date(2025, 11, 4))


def write(folder: Path, close: float, *days: date) -> None:
    async def run() -> None:
        store = PageBarStore(folder / "bars")
        for day in days:
            await store.write(MINUTES, frame(bar("7203", at(day), close)))
        await store.close()

    asyncio.run(run())


@pytest.fixture
def held(kaboom: Kaboom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """A command line on a data folder of two months."""
    write(tmp_path / "data", 100.0, *DAYS)
    monkeypatch.setenv("KABOOM_DATA_DIR", str(tmp_path / "data"))
    return kaboom


def test_a_bucket_has_a_manifest_and_a_second_run_writes_what_changed(
    held: Kaboom, bucket: str, tmp_path: Path
) -> None:
    first = held("bars", "mirror", bucket)
    assert first.code == Exit.OK, first.err
    lines = first.out.splitlines()
    assert [line.startswith(f"{bucket}/synthetic/1m/2025-1") for line in lines] == [True, True]
    assert "2 bars in 2 files" in first.err
    assert "generated, not market data" in first.err
    write(tmp_path / "data", 200.0, DAYS[1])
    again = held("bars", "mirror", bucket, "--json")
    assert again.code == Exit.OK, again.err
    summary = orjson.loads(again.out)
    assert [(file["path"].rpartition("/")[2][:7], file["is_new"]) for file in summary["files"]] == [
        ("2025-10", False), ("2025-11", True),
    ]  # fmt: skip
    assert (summary["unchanged"], summary["deleted"], summary["retired"], summary["bars"]) == (1, 0, 1, 2)
    closes = pl.read_parquet([file["path"] for file in summary["files"]])["close"].to_list()
    assert sorted(closes) == [100.0, 200.0]


def test_a_second_run_to_a_folder_says_what_is_unchanged(held: Kaboom) -> None:
    assert held("bars", "mirror", "lake").code == Exit.OK
    done = held("bars", "mirror", "lake")
    assert (done.code, done.out) == (Exit.OK, "")
    assert "2 files unchanged; of older ones 0 deleted, 0 kept for 24 hours (--grace)" in done.err
    manifest = orjson.loads(Path("lake/manifest.json").read_bytes())
    run = manifest["files"][0]["path"].split(".")[1]
    assert manifest["files"][0]["path"] == name_file("synthetic/1m/2025-10", run)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("s3://{bucket}/a", "--format", "csv"), Exit.USAGE, "the format was csv, expected parquet"),
        (("ftp://host/folder",), Exit.USAGE, "expected a folder, s3://bucket/folder or gs://bucket/folder"),
        (("s3://no-such-bucket/a",), Exit.NOT_FOUND, "s3://no-such-bucket/a cannot be used: NoSuchBucket"),
    ],
)
def test_what_cannot_be_written_is_said(
    held: Kaboom, bucket: str, arguments: tuple[str, ...], code: Exit, said: str
) -> None:
    done: Done = held("bars", "mirror", *(each.replace("s3://{bucket}", bucket) for each in arguments))
    assert (done.code, said in done.err, done.out) == (code, True, ""), (bucket, done.err)


def test_an_empty_store_makes_no_manifest(kaboom: Kaboom) -> None:
    assert kaboom("bars", "mirror", "lake").code == Exit.NOT_FOUND
    assert not Path("lake").exists()


def test_refused_credentials_are_said_in_both_languages(
    held: Kaboom, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = b"<Error><Code>InvalidAccessKeyId</Code><Message>Unknown key.</Message></Error>"
    with serving(lambda _: Response(403, answer)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        done = held("bars", "mirror", bucket)
        assert (done.code, done.out) == (Exit.AUTH, "")
        assert f"{bucket} refused the credentials: InvalidAccessKeyId: Unknown key." in done.err
        assert f"{bucket} に認証を拒否されました" in held("bars", "mirror", bucket, "--lang", "ja").err
