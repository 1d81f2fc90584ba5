"""The script of InfluxDB's VM, run on fakes of the programs of its image: an empty disk, a used one, a broken one."""

import base64
import os
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.repo.repository import load_text

SCRIPT = "infra/terraform/modules/influxdb/start.sh"
TOKEN = "0123456789abcdef"
#: Each program notes how it was called, and refuses what the real one would.
FAKES = r"""#!/usr/bin/env bash
cd "$STATE"
program=${0##*/}
echo "$program $*" >>journal
case "$program $*" in
  "blkid /dev/disk/by-id/google-data") exit "$(cat blkid)" ;;
  "mkfs.ext4 "*" /dev/disk/by-id/google-data") echo 0 >blkid ;;
  "mountpoint -q "*) [ -e mounted ] ;;
  "mount "*" /dev/disk/by-id/google-data $MOUNT") [ "$(cat blkid)" = 0 ] && touch mounted ;;
  "curl "*"Metadata-Flavor: Google "*/attributes/token-secret) echo projects/p/secrets/influxdb-token ;;
  "curl "*"Metadata-Flavor: Google "*/service-accounts/default/token) echo '{"access_token":"ya29","expires_in":1}' ;;
  "curl "*"https://secretmanager.googleapis.com/v1/projects/p/secrets/influxdb-token/versions/latest:access")
    [ "$(cat)" = 'Authorization: Bearer ya29' ] || exit 22
    # The first two times nobody has added a version.
    [ "$(grep -c secretmanager journal)" -gt 2 ] || exit 22
    printf '{"name": "x",\n "payload": {\n  "data": "%s"\n }\n}\n' "$SECRET" ;;
  "docker rm "*) true ;;
  "docker run "*)
    [ -e mounted ] || exit 125
    mkdir -p "$MOUNT/data"
    case $* in *MODE=setup*) printf '%s' "$DOCKER_INFLUXDB_INIT_ADMIN_TOKEN" >token; echo raw_1m_hot >>buckets ;; esac
    touch "$MOUNT/data/influxd.bolt" ;;
  "docker exec influxdb influx bucket list --name "*) grep -qx "${!#}" buckets ;;
  "docker exec influxdb influx bucket create --name "*) echo "$7" >>buckets ;;
  *) echo "unknown: $program $*" >&2; exit 127 ;;
esac
"""
PROGRAMS = ("blkid", "mkfs.ext4", "mountpoint", "mount", "curl", "docker")


class Vm:
    """A VM with a disk, whose state lies in a folder."""

    def __init__(self, folder: Path, text: str, blkid: int = 2) -> None:
        self.folder, self.bin, self.mount = folder / "state", folder / "bin", folder / "mnt"
        self.script = folder / "start.sh"
        self.folder.mkdir()
        self.bin.mkdir()
        self.script.write_text(text, encoding="utf-8")
        (self.folder / "blkid").write_text(f"{blkid}\n", encoding="utf-8")
        for name in PROGRAMS:
            (self.bin / name).write_text(FAKES, encoding="utf-8")
            (self.bin / name).chmod(0o755)

    def start(self) -> "subprocess.CompletedProcess[str]":
        """Start it once more: nothing is mounted."""
        for name in ("mounted", "journal"):
            (self.folder / name).unlink(missing_ok=True)
        env = {
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "STATE": str(self.folder),
            "MOUNT": str(self.mount),
            "PAUSE_S": "0",
            "SECRET": base64.b64encode(TOKEN.encode()).decode(),
        }
        argv = ["bash", str(self.script)]
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=20)

    def read(self, name: str) -> list[str]:
        """Return the lines of a file of its state."""
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def live(folder: Path, text: str) -> None:
    """Set an empty disk up, and start again; what a snapshot holds is used as it is."""
    vm = Vm(folder, text)
    done = vm.start()
    assert done.returncode == 0, done.stderr
    assert "has no value yet" in done.stderr
    assert vm.read("token") == [TOKEN]
    assert vm.read("buckets") == ["raw_1m_hot", "agg_5m", "agg_1d"]
    assert TOKEN not in "".join(vm.read("journal"))
    again = vm.start()
    assert again.returncode == 0, again.stderr
    calls = [line for line in vm.read("journal") if line.startswith(("mkfs", "docker run"))]
    assert len(calls) == 1
    assert f"--volume {vm.mount}/data:/var/lib/influxdb2" in calls[0]
    # Docker itself would start it before the disk is mounted.
    assert "--restart on-failure" in calls[0]
    assert "INIT" not in calls[0]
    assert not any("secretmanager" in line for line in vm.read("journal"))
    assert vm.read("buckets") == ["raw_1m_hot", "agg_5m", "agg_1d"]


def refuse_a_broken_disk(folder: Path, text: str) -> None:
    """Format nothing where the disk cannot be read."""
    vm = Vm(folder, text, blkid=4)
    assert vm.start().returncode != 0
    assert vm.read("journal") == ["blkid /dev/disk/by-id/google-data"]


def test_an_empty_disk_is_set_up_once(tmp_path: Path) -> None:
    live(tmp_path, load_text(SCRIPT))


def test_an_unreadable_disk_is_not_formatted(tmp_path: Path) -> None:
    refuse_a_broken_disk(tmp_path, load_text(SCRIPT))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('[ "$found" = 0 ] || [ "$found" = 2 ] || {', "true || {"),
        ('[ "$found" = 0 ] || mkfs.ext4', "mkfs.ext4"),
        ('mountpoint -q "$mount" || mount', "true || mount"),
        ('until token=$(read_token) && [ -n "$token" ]; do', "token=$(read_token) || true; until true; do"),
        ('[ ! -e "$mount/data/influxd.bolt" ]', "true"),
        ("--restart on-failure", "--restart always"),
        ('"$mount/data:/var/lib/influxdb2"', '"/var/data:/var/lib/influxdb2"'),
        ("--env DOCKER_INFLUXDB_INIT_ADMIN_TOKEN ", '--env "DOCKER_INFLUXDB_INIT_ADMIN_TOKEN=$token" '),
        ("| base64 -d", ""),
        ("in agg_5m agg_1d", "in agg_5m"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, tmp_path: Path) -> None:
    text = load_text(SCRIPT)
    assert old in text
    with pytest.raises((AssertionError, subprocess.TimeoutExpired)):
        do_both(tmp_path, text.replace(old, new))


def do_both(folder: Path, text: str) -> None:
    """Start a VM with an empty disk, and one with a broken one."""
    for check, name in ((live, "whole"), (refuse_a_broken_disk, "broken")):
        (folder / name).mkdir()
        check(folder / name, text)
