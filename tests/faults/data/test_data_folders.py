"""A whole `kaboom up` whose data folder is copied, full, half gone or damaged (rows 32, 33, 34 and 63)."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import psycopg
import pytest

from tests.faults.lab.measure import Measures
from tests.fixtures.jobs.apps import RUN_DAILY
from tests.fixtures.patience import crowd
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import Stack, doomed, end_all, stack, until

BODY = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}
MANY_CHUNKS = BODY | {"chunk_size": 50}
SMALL = {"intervals": {"1d": 1}, "symbols": ["7203", "6758"]}
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")


def children(running: Stack) -> dict[str, int]:
    return {child["name"]: child["pid"] for child in running.run()["children"]}


def servers_in(data_dir: Path) -> list[str]:
    """Return the names of the Valkeys and PostgreSQLs that work in a folder, each counted by its first process."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            name = process.name()
            if name in {"valkey-server", "postgres"} and Path(process.cwd()).is_relative_to(data_dir):
                parent = process.parent()
                found += [name] if parent is None or parent.name() != name else []
    return sorted(found)


def end_supervisor(running: Stack) -> list[psutil.Process]:
    """Kill the supervisor and its guard, as when the machine runs out of memory; return all that there was."""
    family = running.family()
    running.api.close()
    running.kill_supervisor()
    return family


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Give a folder on a disk of its own."""
    with open_folder() as folder:
        disk = folder / "disk"
        disk.mkdir()
        size = f"size={megabytes}m,mode=0755"
        subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk)], check=True)
        try:
            yield disk
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte, and return the file that does it."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    return path


@contextmanager
def stopped_halfway(running: Stack, job_id: str) -> Iterator[None]:
    """Hold the worker still while a job of many chunks is partly done, however slow the machine is."""
    main = psutil.Process(running.pid("worker-1"))

    def work_a_moment() -> dict[str, int]:
        for process in (main, *main.children(recursive=True)):
            process.resume()
        time.sleep(0.05)
        for process in (main, *main.children(recursive=True)):
            process.suspend()
        progress: dict[str, int] = running.api.job(job_id)["progress"]
        return progress

    try:
        progress = until(work_a_moment, lambda progress: progress["done"] > 0, within_s=60)
        assert progress["done"] < progress["total"]
        yield
    finally:
        for process in (main, *main.children(recursive=True)):
            process.resume()


def end_for_want_of_log(running: Stack) -> None:
    """Have PostgreSQL write more log than its last file has room for."""
    with suppress(psycopg.Error):
        for _ in range(3):
            with psycopg.connect(running.run()["database_url"], autocommit=True) as connection:
                connection.execute("SELECT pg_logical_emit_message(true, 'x', repeat('x', 8000000))")
                connection.execute("SELECT pg_switch_wal()")


# Row 32.
def test_a_copy_of_a_running_folder_runs_beside_the_original(open_tmp: Path, measure: Measures) -> None:
    with stack(open_tmp / "original", concurrency=1) as original:
        done = original.api.wait(original.api.submit(**SMALL))
        before = children(original)
        subprocess.run(["cp", "-a", str(original.data_dir), str(open_tmp / "copy")], check=True)
        begun_at = time.monotonic()
        with stack(open_tmp / "copy", concurrency=1) as copy:
            took_s = time.monotonic() - begun_at
            assert "ended" not in copy.log.read_text()
            assert children(original) == before
            assert all(psutil.pid_exists(pid) for pid in before.values())
            assert copy.run()["redis_url"] != original.run()["redis_url"]
            assert copy.api.job(done["job_id"])["status"] == "completed"
            for each in (original, copy):
                assert each.api.wait(each.api.submit(**SMALL))["status"] == "completed"
                assert servers_in(each.data_dir) == ["postgres", "valkey-server"]
        assert original.api.wait(original.api.submit(**SMALL))["status"] == "completed"
        assert children(original) == before
    measure.note(32, "a copy of a running data folder starts; the original goes on", started_s=took_s)


# Row 33. The file is stale, then gone; neither may hide what works in the folder.
@ROOT_ONLY
def test_run_json_is_written_again_when_a_full_disk_has_space(measure: Measures) -> None:
    with small_disk(400) as disk, doomed(disk / "data") as first:
        old = first.pid("api")
        filler = fill(disk)
        os.kill(old, signal.SIGKILL)
        until(lambda: "children_not_recorded" in first.log.read_text(), bool, within_s=20)
        assert first.pid("api") == old
        filler.unlink()
        begun_at = time.monotonic()
        until(lambda: first.pid("api"), lambda pid: pid != old, within_s=20)
        healed_s = time.monotonic() - begun_at
        assert healed_s < 2 * crowd()
        family = end_supervisor(first)
        (disk / "data/run.json").unlink()
        with stack(disk / "data", concurrency=1) as second:
            assert re.search(r"ended [34] process groups that a killed Kaboom had left", second.log.read_text())
            end_all(family)
            assert servers_in(second.data_dir) == ["postgres", "valkey-server"]
            assert second.api.wait(second.api.submit(**SMALL))["status"] == "completed"
    measure.note(33, "run.json, not written to a full disk, then deleted, hides no process", healed_s=healed_s)


# Row 63. PostgreSQL ends for want of a file of its log, Redis refuses every command, no log takes a line.
@ROOT_ONLY
def test_a_full_data_folder_is_named_and_everything_goes_on_once_there_is_room(measure: Measures) -> None:
    with small_disk(260) as disk, stack(disk / "data", concurrency=1) as running:
        worker = running.pid("worker-1")
        job_id = running.api.submit(**MANY_CHUNKS)
        with stopped_halfway(running, job_id):
            filler = fill(disk)
        end_for_want_of_log(running)
        full = f"the disk of {disk / 'data'} is full: "
        until(running.log.read_text, lambda said: "child_keeps_ending" in said, within_s=30)
        answer = running.api.http.post(RUN_DAILY, json=SMALL)
        assert answer.status_code == 503
        assert answer.json()["detail"].startswith(full)
        watched = running.kaboom("ingest", "run-daily", "--wait")
        assert watched.code == 7
        assert full in watched.err
        watched = running.kaboom("jobs", "show", job_id)
        assert full in watched.err
        # Longer than the worker's patience with Redis, and than PostgreSQL's first pauses.
        time.sleep(25)
        filler.unlink()
        begun_at = time.monotonic()
        job = running.api.wait(job_id, within_s=120)
        goes_on_s = time.monotonic() - begun_at
        assert (job["status"], job["progress"]["done"]) == ("completed", job["progress"]["total"])
        # Redis, where the job ended, may be back before PostgreSQL.
        until(lambda: running.api.http.get("/readyz").status_code, lambda code: code == 200, within_s=60)
        assert running.api.wait(running.api.submit(**SMALL))["status"] == "completed"
        assert running.pid("worker-1") == worker
        said = until(running.log.read_text, lambda said: "child_stays_up" in said, within_s=30)
        lines = (
            "child_ended",
            "child_keeps_ending",
            "child_stays_up",
            "jobs wait until there is room",
            "has room again",
        )
        assert {line: said.count(line) for line in lines} == dict.fromkeys(lines, 1)
    measure.note(63, "a full data folder: nothing is lost, and all goes on by itself", goes_on_s=goes_on_s, lost=0)


def test_a_lock_file_that_was_removed_starts_no_second_one(open_tmp: Path) -> None:
    with stack(open_tmp / "data", concurrency=1) as first:
        before = children(first)
        (first.data_dir / "lock").unlink()
        second = first.kaboom("up", "--port", "1")
        assert second.code == 5
        assert f"(pid {first.process.pid}): its lock file was removed" in second.err
        assert all(psutil.pid_exists(pid) for pid in before.values())
        assert "was removed or replaced" in first.log.read_text()
        # What it wrote is for nobody any more, and does not stay.
        (first.data_dir / "run.json").unlink()


# Row 34.
def test_a_damaged_append_only_log_is_set_aside_and_jobs_go_on(open_tmp: Path, measure: Measures) -> None:
    with doomed(open_tmp / "data") as first:
        job_ids = [first.api.submit(**BODY), first.api.submit(**SMALL)]
        until(lambda: first.api.job(job_ids[0])["progress"]["done"], lambda done: done > 0, within_s=60)
        assert first.api.job(job_ids[0])["status"] == "running"
    (log,) = (first.data_dir / "valkey/appendonlydir").glob("*.incr.aof")
    content = log.read_bytes()
    at = content.index(b"\r\n*", len(content) // 2) + 2
    log.write_bytes(content[:at] + b"\x00\xff\x00\xff\x00\xff" + content[at + 6 :])
    begun_at = time.monotonic()
    with stack(open_tmp / "data", concurrency=1) as second:
        started_s = time.monotonic() - begun_at
        (aside,) = (second.data_dir / "valkey").glob("appendonlydir.damaged-*")
        said = second.log.read_text()
        assert "append-only log is damaged (Bad file format" in said
        assert str(aside) in said
        assert "append_only_log_set_aside" in said
        assert (aside / log.name).stat().st_size == len(content)
        for job_id in job_ids:
            job = second.api.wait(job_id, within_s=120)
            assert (job["status"], job["progress"]["done"]) == ("completed", job["progress"]["total"])
    measure.note(34, "a damaged append-only log is set aside; jobs go on from the ledger", started_s=started_s, jobs=2)
