"""The live bar of a job, as a terminal shows it."""

from io import StringIO

import pytest
from rich.console import Console

from kaboom.cli.output.bar import open_bar
from kaboom.cli.session import Session

QUEUED = {"done": 0, "failed": 0, "cancelled": 0, "total": 0, "rows": 0, "rate": None, "eta_s": None}


@pytest.mark.parametrize(("counts", "filled"), [((1, 2, 1), 32), ((1, 1, 0), 16), ((0, 0, 0), 0)])
def test_failed_and_cancelled_items_fill_the_bar_too(
    monkeypatch: pytest.MonkeyPatch, counts: tuple[int, int, int], filled: int
) -> None:
    out = StringIO()
    console = Console(file=out, force_terminal=True, no_color=True, width=100, legacy_windows=False)
    monkeypatch.setattr(Session, "err", console)
    progress = QUEUED | dict(zip(("done", "failed", "cancelled"), counts, strict=True)) | {"total": 4}
    with open_bar(Session(language="en")) as show:
        show({"status": "running", "queue": "ingest", "task": "ingest.run_daily", "progress": progress}, "")
    shown = [line for line in out.getvalue().splitlines() if "running" in line][-1]
    assert shown.count("\N{BOX DRAWINGS HEAVY HORIZONTAL}") == filled
