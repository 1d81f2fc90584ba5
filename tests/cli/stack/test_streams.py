"""Output that nobody reads any more ends no program: a pipe without a reader, a full disk, a closed stream."""

import subprocess
import sys
from pathlib import Path
from typing import TextIO, cast

import pytest

from kaboom.cli.run import Lossy

#: Says something by each way that `kaboom up` has, and then does its work.
PROGRAM = """
import sys
from pathlib import Path
import structlog
from kaboom.cli.session import Session
from kaboom.cli.run import drop_unwritable_output

drop_unwritable_output()
sys.stdin.read()
for _ in range(2):
    Session(language="en").say("stopping")
    structlog.get_logger().warning("child_restarted")
    print("plain", flush=True)
Path(sys.argv[1]).touch()
"""


@pytest.mark.parametrize("gone", ["pipe", "full disk", "closed"])
def test_output_without_a_reader_ends_no_program(gone: str, tmp_path: Path) -> None:
    argv, work = [sys.executable, "-c", PROGRAM], tmp_path / "work"
    if gone == "pipe":
        piped = subprocess.Popen([*argv, work], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert piped.stdin
        assert piped.stdout
        piped.stdout.close()
        piped.stdin.close()
        code = piped.wait(30)
    else:
        ends = ">/dev/full 2>&1" if gone == "full disk" else ">&- 2>&-"
        shell = ["/bin/sh", "-c", f'exec "$@" {ends}', "sh", *argv, str(work)]
        code = subprocess.run(shell, stdin=subprocess.DEVNULL, check=False).returncode
    assert (code, work.exists()) == (0, True)


def test_a_stream_is_heard_again_when_its_disk_has_room(tmp_path: Path) -> None:
    class Disk:
        full, text = True, ""

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(28, "No space left on device")
            self.text += text
            return len(text)

        def flush(self) -> None:
            pass

    disk = Disk()
    stream = Lossy(cast("TextIO", disk))
    stream.write("lost")
    disk.full = False
    stream.write("kept")
    assert disk.text == "kept"
