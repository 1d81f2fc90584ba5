"""The page of sizes: its script runs, and finds a place for each of its tables."""

import re
import subprocess
import sys

from tests.fixtures.repo.repository import ROOT, load_text

PAGE = load_text("docs/operations/beyond-one-machine.md")
SCRIPT = load_text("benchmarks/scale.py")


def test_the_script_can_be_imported() -> None:
    argv = [sys.executable, str(ROOT / "benchmarks/scale.py"), "--help"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "--quick" in done.stdout) == (0, True)


def test_each_place_of_a_table_is_filled_and_said_when() -> None:
    places = re.findall(r"<!-- (\S+) -->\n(.*?)<!-- end -->", PAGE, re.DOTALL)
    assert len(places) == PAGE.count("<!-- end -->") == 6
    for name, content in places:
        assert f'"{name}"' in SCRIPT
        assert "| --- |" in content, name
        assert re.search(r"^2026-\d\d-\d\d, `[0-9a-f]{8}`, ", content, re.MULTILINE), name
