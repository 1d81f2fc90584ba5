"""A mounted bucket is recognised by the lines of Linux's table of mounts."""

from pathlib import Path

import pytest

from kaboom.drivers.disk import is_in_user_space

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
