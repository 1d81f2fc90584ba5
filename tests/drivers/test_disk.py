"""The room of a disk and its sentences; a mounted bucket is recognised by the lines of Linux's table of mounts."""

import shutil
from pathlib import Path

import pytest

from kaboom.drivers.disk import Room, find_full, is_in_user_space, measure_room, nearest_folder, try_write
from kaboom.errors import StoreError

#: The last lines are a container's of Cloud Run, with a mounted bucket.
MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
31 27 0:40 / /mnt/kaboom rw,nosuid,nodev shared:9 - fuse bucket rw,user_id=0
32 27 0:41 / /mnt/other rw,relatime - fuse.gcsfuse other rw
33 31 0:42 / /mnt/kaboom/scratch rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("/mnt/kaboom", True),
        ("/mnt/kaboom/indicators/jquants/1d", True),
        ("/mnt/other/mirror", True),
        ("/mnt/kaboom/scratch/x", False),
        ("/mnt", False),
        ("/mnt/kaboom2", False),
        ("/proc/self", False),
    ],
)
def test_the_mount_of_a_folder_decides(folder: str, expected: bool, tmp_path: Path) -> None:  # noqa: FBT001
    (tmp_path / "mountinfo").write_text(MOUNTS, encoding="utf-8")
    assert is_in_user_space(Path(folder), tmp_path / "mountinfo") is expected


def test_a_disk_of_this_machine_is_one(tmp_path: Path) -> None:
    assert not is_in_user_space(tmp_path)
    assert not is_in_user_space(tmp_path, tmp_path / "nowhere")


MIB = 1024**2
#: The least of each sentence: bytes, inodes.
BOUNDS = {"is_full": (16 * MIB, 10), "fault": (256 * MIB, 1_000), "warning": (2_048 * MIB, 10_000)}


@pytest.mark.parametrize("name", BOUNDS)
def test_room_is_judged_by_bytes_and_by_inodes_on_both_sides_of_a_bound(name: str) -> None:
    least_bytes, least_inodes = BOUNDS[name]
    assert not getattr(Room(least_bytes, least_inodes, 1), name)
    assert not getattr(Room(None, None, 1), name)
    assert getattr(Room(least_bytes - 1, None, 1), name)
    assert getattr(Room(None, least_inodes - 1, 1), name)
    assert getattr(Room(0, least_inodes, 1), name)
    assert getattr(Room(least_bytes, 0, 1), name)


def test_a_sentence_of_room_has_what_is_free_and_what_is_expected() -> None:
    assert Room(100 * MIB, None, 1).fault == "100 MiB are free, expected 256 MiB or more"
    assert Room(2_000 * MIB, None, 1).warning == "2,000 MiB are free, expected 2,048 MiB or more"
    assert Room(4_096 * MIB, 9_999, 1).warning == "9,999 inodes are free, expected 10,000 or more"


def test_room_is_that_of_the_nearest_folder_above(tmp_path: Path) -> None:
    found, below = measure_room(tmp_path), measure_room(tmp_path / "not" / "yet")
    assert nearest_folder(tmp_path / "not" / "yet") == tmp_path
    assert found.device == below.device == tmp_path.stat().st_dev
    assert found.free_bytes is not None
    assert abs(found.free_bytes - shutil.disk_usage(tmp_path).free) < 1024 * MIB
    assert find_full(tmp_path) == ""


def test_a_folder_that_takes_no_write_is_named(tmp_path: Path) -> None:
    try_write(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match=f"^{tmp_path / 'none'} does not accept a write: No such file or directory$"):
        try_write(tmp_path / "none")
