"""A folder on the disk and one in a bucket do the same, and say within seconds why they cannot."""

import time
from pathlib import Path

import pytest

from kaboom.drivers.bucket import open_objects
from kaboom.drivers.embedded.servers import free_port
from kaboom.drivers.objects import ObjectFolder
from kaboom.errors import Conflict, Forbidden, InvalidRequest, NotFound, StoreError
from tests.fixtures.servers.buckets import bucket, buckets
from tests.fixtures.servers.http_servers import Response, serving

pytestmark = pytest.mark.anyio
__all__ = ["bucket", "buckets"]


@pytest.fixture(params=["folder", "bucket"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectFolder:
    place = str(tmp_path / "made" / "below") if request.param == "folder" else request.getfixturevalue("bucket")
    return open_objects(place)


async def add(folder: ObjectFolder, name: str, content: bytes, tmp_path: Path) -> None:
    path = (folder.desk or tmp_path) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    await folder.add(name, path)


async def test_files_are_added_listed_and_deleted(folder: ObjectFolder, tmp_path: Path) -> None:
    async with folder.hold():
        assert await folder.list_names() == []
        # Larger than a part of an upload in parts.
        await add(folder, "a/b/one.parquet", b"x" * 6_000_000, tmp_path)
        await folder.replace("a/files.txt", b"two")
        assert await folder.list_names() == ["a/b/one.parquet", "a/files.txt"]
        found = await folder.read("a/b/one.parquet")
        assert found is not None
        assert found.content == b"x" * 6_000_000
        await folder.delete(["a/b/one.parquet", "a/gone"])
        await folder.delete([])
        assert await folder.list_names() == ["a/files.txt"]


async def test_a_file_is_swapped_only_if_nobody_wrote_it_meanwhile(folder: ObjectFolder) -> None:
    async with folder.hold():
        assert await folder.read("manifest.json") is None
        await folder.swap("manifest.json", b"1", None)
        first = await folder.read("manifest.json")
        await folder.swap("manifest.json", b"2", first)
        for stale in (None, first):
            with pytest.raises(Conflict, match=r"another process wrote manifest\.json"):
                await folder.swap("manifest.json", b"3", stale)
        found = await folder.read("manifest.json")
        assert found is not None
        assert found.content == b"2"


async def test_a_second_writer_of_a_folder_on_the_disk_is_refused_at_once(tmp_path: Path) -> None:
    async with open_objects(str(tmp_path)).hold():
        with pytest.raises(Conflict, match="another process writes"):
            async with open_objects(str(tmp_path)).hold():
                pass
    async with open_objects(str(tmp_path)).hold():
        pass


async def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidRequest, match="file/below cannot be written: Not a directory"):
        async with open_objects(str(tmp_path / "file" / "below")).hold():
            pass


@pytest.mark.parametrize("url", ["s3://", "s3:///a", "gs://B", "ftp://bucket/a", "https://bucket/a", "s3://b/../c d"])
async def test_a_url_of_no_bucket_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match="expected a folder, s3://bucket/folder or gs://bucket/folder"):
        open_objects(url)


async def test_a_bucket_that_does_not_exist_is_named(bucket: str) -> None:
    missing = open_objects("s3://no-such-bucket/folder")
    for asked in (missing.list_names(), missing.read("manifest.json"), missing.replace("a", b"")):
        with pytest.raises(NotFound, match="s3://no-such-bucket/folder cannot be used: NoSuchBucket"):
            await asked


async def test_a_server_that_is_away_is_reported_within_seconds(monkeypatch: pytest.MonkeyPatch, bucket: str) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    began = time.monotonic()
    with pytest.raises(StoreError, match=rf"{bucket} cannot be used: .*127\.0\.0\.1"):
        await open_objects(bucket).list_names()
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("code", ["InvalidAccessKeyId", "AccessDenied"])
async def test_refused_credentials_are_reported_with_the_servers_reason(
    monkeypatch: pytest.MonkeyPatch, bucket: str, code: str
) -> None:
    answer = f"<Error><Code>{code}</Code><Message>You may not.</Message></Error>".encode()
    with serving(lambda _: Response(403, answer)) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        folder = open_objects(bucket)
        for asked in (folder.list_names(), folder.read("a")):
            with pytest.raises(Forbidden, match=f"{bucket} refused the credentials: {code}: You may not."):
                await asked
