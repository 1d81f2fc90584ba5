"""A real disk that is full under the bar store: the chunk waits, and its provider is asked once."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run.worker import perform
from kaboom.jobs.model import JobStatus
from kaboom.providers.synthetic.provider import SyntheticProvider
from kaboom.settings import load_settings
from tests.fixtures.jobs.job_runs import assert_agree, in_store, messages

pytestmark = pytest.mark.anyio

REQUEST = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "symbols": ["7203", "6758"], "session": "2026-10-30"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB, mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=24m", "kaboom-test", str(folder))
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk needs root and the right to mount")
    yield folder
    subprocess.run(("umount", "--lazy", str(folder)), check=True)


def fill(disk: Path) -> None:
    with (disk / "ballast").open("wb") as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
            file.flush()


async def test_a_full_disk_is_waited_for_and_the_provider_not_asked_meanwhile(
    parts: Parts, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    fetch = SyntheticProvider.fetch_bars

    async def fetch_bars(self: SyntheticProvider, request: Any) -> Any:
        asked.append(request)
        return await fetch(self, request)

    monkeypatch.setattr(SyntheticProvider, "fetch_bars", fetch_bars)
    settings = load_settings(bar_store="pages", provider="synthetic", data_dir=disk)
    parts = replace(parts, settings=settings)
    job = (await Jobs(parts).submit(RUN_DAILY, REQUEST, owner="ingest")).job
    assert await perform(parts, messages(parts)[0]) == "planned"
    (chunk,) = messages(parts)
    fill(disk)
    assert await perform(parts, chunk) == "waiting"
    count = len(asked)
    assert [await perform(parts, chunk) for _ in range(4)] == ["waiting"] * 4
    assert len(asked) == count
    waiting = await in_store(parts, job)
    assert (waiting.status, waiting.settled) == (JobStatus.RUNNING, 0)
    assert "full" in (waiting.pause_reason or "") or "No space" in (waiting.pause_reason or "")
    (disk / "ballast").unlink()
    assert await perform(parts, chunk) == "done"
    kept, chunks = await assert_agree(parts, job)
    assert (kept.status, kept.outcomes, chunks[0].attempts) == (JobStatus.COMPLETED, {"ok": 2}, 1)
