"""Seventeen kinds of damage: doctor names each with its repair, the repair works, and doctor finds no fault again."""

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson
import polars as pl
import psutil
import psycopg
import pytest

from kaboom.bars.pages.store import PageBarStore
from kaboom.drivers.embedded.servers import embed_postgres, free_port
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.bars.bar_store import run
from tests.fixtures.bars import damage
from tests.fixtures.jobs.apps import SCHEDULES
from tests.fixtures.servers.servers import Servers, open_folder
from tests.fixtures.servers.stacks import KABOOM, Stack, until
from tests.fixtures.servers.valkeys import lay_out, valkey

SYMBOLS = ["1301", "7203", "9984"]
NOV_4 = date(2025, 11, 4)
REPAIR = "kaboom bars repair"
ONE_DAY = {"intervals": {"1m": 1, "5m": 1, "15m": 1, "1h": 1, "1d": 1}, "symbols": SYMBOLS, "session": f"{NOV_4}"}


def overwrite(path: Path) -> None:
    path.write_bytes(b"no notes at all " * 999)


@dataclass(frozen=True)
class Damage:
    """A damage, and what doctor reports: the part, words of its detail, and the repair."""

    harm: Callable[[Path], None]
    where: str
    words: str


#: Each in a file of its own of the data folder's bars.
BARS = {
    "bytes of a page flipped": Damage(
        lambda path: damage.flip_page(path, "7203"), "synthetic/1m/2025-11.sqlite", "7203 2025-11-04: .*its crc32 was"
    ),
    "a page file cut short": Damage(damage.cut_short, "synthetic/5m/2025-11.sqlite", "malformed|page|quick_check"),
    "a page file deleted": Damage(Path.unlink, "synthetic/15m/2025-11.sqlite", "the file is missing"),
    "a header overwritten": Damage(damage.overwrite_header, "synthetic/1h/2025-11.sqlite", "file is not a database"),
    "the answers damaged": Damage(
        lambda path: damage.scribble_over_table(path, "asked"), "synthetic/1d/all.sqlite", "malformed|tree|page"
    ),
    "the corporate actions overwritten": Damage(overwrite, "synthetic/actions.sqlite", "file is not a database"),
}


def doctor(up: Stack, **env: str) -> list[dict[str, str]]:
    done = subprocess.run(
        # Databases of tests stand for that of `up`, which keeps its bars in the folder.
        (*KABOOM, "doctor", "--json"),
        env=up.env | {"KABOOM_BAR_STORE": "pages"} | env,
        cwd=up.data_dir.parent,
        capture_output=True,
        check=False,
    )
    assert done.stdout, done.stderr
    findings: list[dict[str, str]] = orjson.loads(done.stdout)
    assert done.returncode == any(f["verdict"] == "fault" for f in findings), done.stderr
    return findings


def wrong(findings: list[dict[str, str]]) -> list[dict[str, str]]:
    return [finding for finding in findings if finding["verdict"] != "ok"]


def named(findings: list[dict[str, str]], part: str, words: str) -> str:
    """Return what mends the one damage of a part that these words are said of."""
    found = {f["mend"] for f in wrong(findings) if f["part"] == part and re.search(words, f["detail"])}
    assert len(found) == 1, wrong(findings)
    return found.pop()


def obey(up: Stack, command: str, **env: str) -> str:
    """Run a command as doctor printed it."""
    name, *arguments = shlex.split(command)
    assert name == "kaboom", command
    done = subprocess.run(
        (*KABOOM, *arguments), env=up.env | env, cwd=up.data_dir.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def obeying(up: Stack, command: str, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command that goes on, as doctor printed it, and end it."""
    name, *arguments = shlex.split(command)
    assert name == "kaboom", command
    with (up.data_dir.parent / "obeyed.log").open("ab") as log:
        process = subprocess.Popen(
            (*KABOOM, *arguments, *more), env=up.env, cwd=up.data_dir.parent, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def held(up: Stack) -> dict[str, pl.DataFrame]:
    """Return the bars of 2025-11-04 by interval."""

    async def read() -> dict[str, pl.DataFrame]:
        store = PageBarStore(up.data_dir / "bars")
        try:
            return {i.value: await store.read_session(BarSeries("synthetic", i), NOV_4) for i in Interval}
        finally:
            await store.close()

    found: dict[str, pl.DataFrame] = run(read())
    return found


@pytest.fixture(scope="module")
def kept(up: Stack) -> dict[str, pl.DataFrame]:
    """A day of bars of every interval, and a split."""
    assert wrong(doctor(up)) == []
    # Of another month, so that other files tell which symbols there are.
    for body in (ONE_DAY, ONE_DAY | {"intervals": {"1m": 1}, "session": "2025-10-31"}):
        assert up.api.wait(up.api.submit(**body))["status"] == "completed"
    added = up.kaboom("actions", "add", "7203", "2020-10-02", "1/2", "--source", "synthetic")
    assert added.code == 0, added.err
    bars = held(up)
    assert {name: frame["symbol"].n_unique() for name, frame in bars.items()} == {i.value: 3 for i in Interval}
    return bars


def test_damaged_bars_are_listed_and_repaired(up: Stack, kept: Mapping[str, pl.DataFrame]) -> None:
    for each in BARS.values():
        each.harm(up.data_dir / "bars" / each.where)

    findings = doctor(up)
    for name, each in BARS.items():
        assert named(findings, "bar store", f"{each.where}.*({each.words})") == REPAIR, name
    # Only the damaged part fails; its job says why and how to repair it.
    job = up.api.wait(up.api.submit(**ONE_DAY | {"intervals": {"1m": 1}}))
    assert job["result"]["outcomes"] | {"ok": 2, "write_failed": 1} == job["result"]["outcomes"]
    (failure,) = up.api.get(f"/jobs/{job['job_id']}/failures")["items"]
    assert failure["item"] == "7203"
    assert re.search(r"7203 2025-11-04 is damaged: its crc32 was .* `kaboom bars repair`", failure["message"])
    logged = until(lambda: up.kaboom("jobs", "logs", job["job_id"]).out, lambda out: "write_failed" in out, within_s=20)
    assert "kaboom bars repair" in logged
    assert "chunk_broken" not in logged

    looked = orjson.loads(obey(up, f"{REPAIR} --dry-run --json"))
    assert len(looked["mended"]) == len(BARS)
    assert wrong(doctor(up)), "a dry run mended something"
    said = obey(up, REPAIR)

    until(lambda: [f for f in up.api.get("/jobs?limit=50")["items"] if f["status"] in {"queued", "running"}],
          lambda open_jobs: not open_jobs, within_s=90)  # fmt: skip
    after = held(up)
    assert {name: after[name].equals(bars) for name, bars in kept.items()} == dict.fromkeys(kept, True), said
    assert wrong(doctor(up)) == []
    aside = {path.name for path in (up.data_dir / "bars" / "_set-aside").rglob("*") if path.is_file()}
    assert {"2025-11.pages.jsonl", "2025-11.sqlite", "all.sqlite", "actions.sqlite"} <= aside


@contextmanager
def postgres(folder: Path) -> Iterator[tuple[str, Callable[[], None], Callable[[], None]]]:
    """Give the address of a PostgreSQL, and how it is started and killed."""
    server = embed_postgres(folder)
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        running.append(
            subprocess.Popen(server.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=server.user,
                             cwd="/", start_new_session=True)
        )  # fmt: skip
        until(server.is_ready, bool, within_s=30)

    def kill() -> None:
        running[-1].send_signal(signal.SIGINT)
        running[-1].wait(30)

    start()
    try:
        yield server.url, start, kill
    finally:
        if running[-1].poll() is None:
            kill()


def test_invalid_servers_and_settings_are_listed_and_repaired(up: Stack, servers: Servers) -> None:
    with open_folder() as folder, valkey(folder, "evicting", maxmemory_policy="allkeys-lru") as redis:
        with psycopg.connect(servers.database_url, autocommit=True) as connection:
            connection.execute("CREATE DATABASE without_schema")
        url = servers.database_url.replace("/postgres?", "/without_schema?")
        env = {"REDIS_URL": redis.url, "DATABASE_URL": url, "KABOOM_PROVIDER": "yfinance"}
        try:
            findings = doctor(up, **env)
            assert named(findings, "provider", "'yfinance', and there is no such provider") == (
                "set KABOOM_PROVIDER to one of: file, jquants, synthetic, yahoo"
            )
            keep_all = named(findings, "redis", "maxmemory-policy of Redis was allkeys-lru")
            assert keep_all == 'redis-cli -u "$REDIS_URL" CONFIG SET maxmemory-policy noeviction'
            migrate = named(findings, "database", "the schema is missing")

            env["KABOOM_PROVIDER"] = "synthetic"
            obey(up, migrate, **env)
            if shutil.which("redis-cli"):
                subprocess.run(keep_all, shell=True, env=env, check=True)
            else:
                with redis.connect() as client:
                    client.config_set("maxmemory-policy", "noeviction")
            (left,) = wrong(doctor(up, **env))
            assert (left["part"], left["verdict"]) == ("workers", "warning"), "the workers are on another Redis"
        finally:
            with psycopg.connect(servers.database_url, autocommit=True) as connection:
                connection.execute("DROP DATABASE without_schema WITH (FORCE)")


def test_unavailable_servers_are_listed_and_started(up: Stack) -> None:
    with open_folder() as folder, postgres(folder) as (url, start, kill):
        redis = lay_out(folder, "own")
        env = {"REDIS_URL": redis.url, "DATABASE_URL": url}
        obey(up, "kaboom migrate", **env)
        kill()
        findings = doctor(up, **env)
        assert named(findings, "redis", "did not answer") == "start Redis, or correct REDIS_URL"
        assert named(findings, "database", "did not answer") == "start PostgreSQL, or correct DATABASE_URL"

        start()
        try:
            redis.process.start()
            assert [f["part"] for f in wrong(doctor(up, **env))] == ["workers"]
        finally:
            redis.process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_or_read_only_disk_is_reported_and_repaired(up: Stack) -> None:
    run_file = up.run()
    env = {"REDIS_URL": run_file["redis_url"], "DATABASE_URL": run_file["database_url"]}
    with open_folder() as folder:
        bars = folder / "bars"
        bars.mkdir()
        env |= {"KABOOM_DATA_DIR": str(folder), "KABOOM_API_URL": run_file["api_url"]}
        if subprocess.run(("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", bars), check=False).returncode:
            pytest.skip("this machine lets nobody mount a small disk")
        try:
            (bars / "ballast").write_bytes(bytes(8 * 1024**2 - 4096 * 4))
            findings = doctor(up, **env)
            assert named(findings, "disk", "MiB are free, expected 256 MiB or more").startswith("free space on")
            assert named(findings, "bar store", "does not accept a write: No space left").startswith("free space on")
            (bars / "ballast").unlink()
            subprocess.run(("mount", "-o", "remount,size=3g", bars), check=True)
            assert wrong(doctor(up, **env)) == []

            subprocess.run(("mount", "-o", "remount,ro", bars), check=True)
            mend = named(doctor(up, **env), "bar store", "does not accept a write: Read-only file system")
            assert "let Kaboom's user write there" in mend
            subprocess.run(("mount", "-o", "remount,rw", bars), check=True)
            assert wrong(doctor(up, **env)) == []
        finally:
            subprocess.run(("umount", bars), check=True)


def has_ended(process: psutil.Process) -> bool:
    """Whether a process is gone; whose parent was killed may stay as a zombie."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_without_supervisor_and_workers_doctor_says_so_and_what_starts_them() -> None:
    with open_folder() as folder:
        lone = Stack(folder / "data", {}, concurrency=1)
        family = lone.family()
        try:
            lone.kill_supervisor()
            late = {"name": "late", "request": {"intervals": {"1d": 1}, "symbols": ["7203"]}, "session_at": "16:35"}
            assert lone.api.http.post(SCHEDULES, json=late).status_code == 201
            worker = psutil.Process(lone.pid("worker-1"))
            worker.terminate()
            until(lambda: has_ended(worker), bool, within_s=30)
            until(lambda: lone.api.http.get("/readyz").json()["workers_online"], lambda n: n == 0, within_s=60)
            with psycopg.connect(lone.run()["database_url"], autocommit=True) as connection:
                connection.execute("UPDATE schedules SET next_at = now() - interval '1 hour' WHERE name = 'late'")

            findings = doctor(lone)
            up_again = named(findings, "supervisor", "no `kaboom up` runs: processes that end are not restarted")
            start = named(findings, "workers", "0 online")
            assert named(findings, "schedules", "one is .* min overdue") == start == "kaboom worker"
            with obeying(lone, start):
                until(
                    lambda: [f["part"] for f in wrong(doctor(lone))], lambda left: left == ["supervisor"], within_s=60
                )

            with obeying(lone, up_again, "--port", str(free_port())):
                until(lambda: wrong(doctor(lone)), lambda left: not left, within_s=90, every_s=1)
        finally:
            lone.api.close()
            for process in family:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
