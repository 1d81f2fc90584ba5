"""`kaboom up` as a process: alone on its data, stopped whole, and started again after the worst."""

import os
import signal
import stat
import subprocess
from pathlib import Path

import psutil

from kaboom.drivers.embedded.run_file import read_run_file
from kaboom.drivers.embedded.servers import free_port
from kaboom.jobs.callbacks.url_guard import parse_secrets
from tests.fixtures.servers.stacks import KABOOM, Stack, clean_environment, end_all, stack, until


def test_a_second_one_on_the_same_data_says_so_and_stops(open_tmp: Path) -> None:
    with stack(open_tmp / "data", concurrency=1) as first:
        second = first.kaboom("up", "--port", str(free_port()))
        assert second.code == 5
        running = f"a Kaboom already runs on {first.data_dir} (pid {first.process.pid}, {first.api.url})"
        # Nothing is said of a stop: nothing had started.
        assert second.err.startswith(f"kaboom: {running}")
        # The first one is not touched.
        assert first.run()["pid"] == first.process.pid
        assert first.api.get("/jobs/stats")["workers_online"] == 1

        port = first.api.url.rpartition(":")[2]
        third = first.kaboom("up", "--data-dir", str(open_tmp / "other"), "--port", port)
        assert third.code == 5
        assert third.err.startswith(f"kaboom: port {port} is taken by another program")
        assert_secrets_are_kept(first)


def assert_secrets_are_kept(running: Stack) -> None:
    token = (running.data_dir / "ingest-token").read_text().strip()
    assert running.log.read_text().count(token) == 1
    webhook_secret = (running.data_dir / "webhook-secret").read_text().strip()
    assert len(parse_secrets(webhook_secret)) == 1
    private = [
        "ingest-token",
        "webhook-secret",
        "notification-key",
        "run.json",
        "lock",
        *(f"logs/{name}.log" for name in ("api", "postgres")),
    ]
    for name in private:
        assert stat.S_IMODE((running.data_dir / name).stat().st_mode) == 0o600
    assert stat.S_IMODE((running.data_dir / "logs").stat().st_mode) == 0o700
    run = running.run()
    assert {c["name"] for c in run["children"]} == {"guard", "valkey", "postgres", "api", "worker-1"}
    assert (run["pid"], run["api_url"]) == (running.process.pid, running.api.url)
    logs = "".join(path.read_text() for path in (running.data_dir / "logs").iterdir())
    password = run["redis_url"].split(":")[2].split("@")[0]
    assert len(password) == 32
    assert token not in logs
    assert (running.data_dir / "notification-key").read_text().strip() not in logs + running.log.read_text()
    assert webhook_secret not in logs + running.log.read_text()
    assert password not in logs


def test_a_killed_one_leaves_nothing_that_blocks_the_next(open_tmp: Path) -> None:
    first = Stack(open_tmp / "data", {}, concurrency=1)
    family = first.family()
    first.api.close()
    token = (first.data_dir / "ingest-token").read_text()
    first.process.kill()
    first.process.wait()
    assert any(process.is_running() for process in family[1:]), "children were to be orphans"
    with stack(open_tmp / "data", concurrency=1) as second:
        # By its guard, or by the next one if that is faster.
        end_all(family)
        assert (second.data_dir / "ingest-token").read_text() == token
        assert token.strip() not in second.log.read_text()
        assert second.api.get("/jobs/stats")["workers_online"] >= 1


def test_a_token_of_the_environment_works_in_two_terminals(open_tmp: Path) -> None:
    token = "a-token-of-both-terminals"
    with stack(open_tmp / "data", concurrency=1, INGEST_API_TOKEN=token) as running:
        assert not (running.data_dir / "ingest-token").exists()
        assert token not in (running.data_dir / "run.json").read_text()
        env = {"KABOOM_DATA_DIR": str(running.data_dir)}
        for given, code in ((token, 0), ("a-token-of-another-kaboom", 3)):
            argv = (*KABOOM, "jobs", "list")
            done = subprocess.run(
                argv, env=clean_environment(INGEST_API_TOKEN=given, **env), capture_output=True, text=True, check=False
            )
            assert done.returncode == code, done.stderr
        assert "that Kaboom was not started with this token" in done.stderr


def test_a_ctrl_c_while_it_starts_leaves_nothing(open_tmp: Path) -> None:
    data_dir = open_tmp / "data"
    argv = (*KABOOM, "up", "--port", str(free_port()))
    env = clean_environment(KABOOM_DATA_DIR=str(data_dir))
    process = subprocess.Popen(argv, env=env, cwd=open_tmp, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    until(lambda: read_run_file(data_dir).get("children"), bool, within_s=60)
    os.kill(process.pid, signal.SIGINT)
    family = psutil.Process(process.pid).children(recursive=True)
    _, said = process.communicate(timeout=90)
    end_all(family)
    assert process.returncode == 0, said.decode()
    assert b"stopped" in said
    assert not (data_dir / "run.json").exists()


def test_a_folder_in_which_it_cannot_start_ends_with_2_and_a_reason(open_tmp: Path) -> None:
    argv = (*KABOOM, "up", "--port", str(free_port()))
    env = clean_environment(KABOOM_DATA_DIR=str(open_tmp / "data"), DATABASE_URL="mysql://x@y/z")
    done = subprocess.run(argv, env=env, cwd=open_tmp, capture_output=True, text=True, check=False, timeout=90)
    assert done.returncode == 2
    assert "DATABASE_URL was for mysql, expected postgresql://" in done.stderr
    assert "Traceback" not in done.stderr
