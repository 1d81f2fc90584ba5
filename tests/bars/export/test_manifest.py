"""What follows a manifest: which files stay, are retired and are deleted."""

from datetime import UTC, date, datetime, timedelta

import pytest

from kaboom.bars.export.manifest import Manifest, MirrorFile, find_plain, follow, name_file
from kaboom.errors import InvalidRequest

NOW = datetime(2026, 1, 5, tzinfo=UTC)
GRACE = timedelta(hours=24)


def file(period: str, run: str) -> MirrorFile:
    name = name_file(f"synthetic/1m/{period}", f"20260101T000000Z-0000000{run}")
    day = date.fromisoformat(f"{period}-01")
    return MirrorFile(
        path=name, provider="synthetic", interval="1m", period=period, bars=3, bytes=9, sha256=run,
        first_session=day, last_session=day,
    )  # fmt: skip


OLD = Manifest(made_at=NOW, files=(file("2025-11", "1"), file("2025-12", "1")))


def test_a_new_file_replaces_that_of_its_month_alone() -> None:
    new = file("2025-12", "2")
    names = ["manifest.json", *(each.path for each in (*OLD.files, new))]
    manifest, due = follow(OLD, [new], names, now=NOW, grace=GRACE)
    assert manifest.files == (OLD.files[0], new)
    assert (manifest.retired, due) == ({OLD.files[1].path: NOW}, [])
    assert Manifest.parse(manifest.to_json(), "place") == manifest


def test_a_retired_file_is_deleted_after_the_grace_time_and_not_before() -> None:
    orphan = file("2025-12", "3").path
    names = [*(each.path for each in OLD.files), orphan]
    first, _ = follow(OLD, [], names, now=NOW, grace=GRACE)
    early, none = follow(first, [], names, now=NOW + timedelta(hours=23), grace=GRACE)
    assert (early.retired, none) == ({orphan: NOW}, [])
    last, due = follow(early, [], names, now=NOW + timedelta(hours=24), grace=GRACE)
    assert (last.retired, due, last.files) == ({}, [orphan], OLD.files)


def test_files_of_others_are_never_retired() -> None:
    names = ["notes.parquet", "synthetic/1m/2025-11.parquet", "synthetic/1m/files.txt", "manifest.json"]
    manifest, due = follow(OLD, [], names, now=NOW, grace=GRACE)
    assert (manifest.retired, due) == ({}, [])
    assert find_plain(names) == "synthetic/1m/2025-11.parquet"
    assert find_plain([each.path for each in OLD.files]) is None


@pytest.mark.parametrize(
    ("content", "what"), [(b"", "all of it"), (b'{"format": "kaboom-mirror-2", "made_at": "2026-01-05"}', "format")]
)
def test_a_damaged_or_later_manifest_is_refused(content: bytes, what: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"s3://b/manifest\.json cannot be read \({what}\)"):
        Manifest.parse(content, "s3://b")
