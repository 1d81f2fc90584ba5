"""compose.yaml up: a day is ingested, an alert reaches a channel, and what is lost comes back from the backups."""

import re
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.fixtures.repo.containers import Podman
from tests.fixtures.repo.docker_stack import SERVERS, Compose, docker, load_image, make_project
from tests.fixtures.repo.repository import load_text
from tests.fixtures.repo.stand_in_base import stand_in_servers
from tests.fixtures.servers.stacks import Api, until

GUIDE = load_text("docs/how-to/run-with-docker.md")
SYMBOLS = ["7203", "6758", "9984"]
SESSION = "2025-11-04"
_BACKUPS = ("backup-ledger", "backup-files")


@pytest.fixture(scope="module")
def project(podman: Podman, image: str) -> Iterator[Compose]:
    """The stack of the guide, up but for its backups."""
    with tempfile.TemporaryDirectory(prefix="kaboom-compose-", dir="/tmp") as name:
        folder = Path(name)
        with docker(folder) as address:
            podman.call("save", "--quiet", f"--output={folder / 'image.tar'}", image, timeout_s=300)
            load_image(address, folder / "image.tar")
            load_image(address, stand_in_servers(), SERVERS)
            (make,) = re.findall(r"^ *(\(umask .*)$", GUIDE, re.MULTILINE)
            subprocess.run(["bash", "-euc", make], cwd=folder, check=True)
            project = make_project(folder, address, image, (folder / ".env").read_text())
            _make_alerts_quick(folder / "infra")
            try:
                project.call("up", "--detach", "--wait", "caddy", "worker", "prometheus", "alertmanager", "sink")
                yield project
            finally:
                project.run("down", "--volumes", "--timeout=20")


def _make_alerts_quick(infra: Path) -> None:
    rules = infra / "alerts/kaboom.rules.yaml"
    rules.write_text(re.sub(r"for: \d+s", "for: 0s", rules.read_text("utf-8")), "utf-8")
    config = yaml.safe_load((infra / "alerts/alertmanager.yaml").read_text("utf-8"))
    # Without a pause alerts of the start may hold others back, which are then looked at anew after the interval.
    config["route"] |= {"group_wait": "0s", "group_interval": "5s"}
    (infra / "alerts/alertmanager.yaml").write_text(yaml.safe_dump(config), "utf-8")


@pytest.fixture(scope="module")
def api(project: Compose) -> Iterator[Api]:
    env = dict(line.split("=", 1) for line in (project.folder / ".env").read_text().splitlines())
    api = Api(f"http://127.0.0.1:{project.ports['api']}", project.folder, env["INGEST_API_TOKEN"])
    yield api
    api.close()


@pytest.fixture(scope="module")
def job(api: Api) -> dict[str, Any]:
    """A day of three symbols, ingested."""
    return api.wait(api.submit(intervals={"1m": 1}, symbols=SYMBOLS, session=SESSION))


def count_bars(api: Api) -> int:
    def ask() -> httpx2.Response:
        return api.http.get("/api/v1/bars/7203", params={"start": SESSION, "end": "2025-11-05"})

    # A first read may be too slow on a busy machine.
    return len(until(ask, lambda answer: answer.status_code == 200, within_s=60, every_s=1).json()["items"])


def test_a_day_is_ingested_behind_tls(project: Compose, api: Api, job: dict[str, Any]) -> None:
    assert (job["status"], job["result"]["outcomes"]) == ("completed", {"ok": len(SYMBOLS)})
    assert count_bars(api) > 300
    root = project.call("exec", "-T", "caddy", "cat", "/var/tmp/caddy/pki/authorities/local/root.crt")
    context = ssl.create_default_context(cadata=root)
    url = f"https://localhost:{project.ports['https']}/readyz"
    assert httpx2.get(url, verify=context, trust_env=False).json()["ready"] is True


@pytest.mark.usefixtures("job")
def test_an_alert_reaches_a_channel(project: Compose, api: Api) -> None:
    channel = {"name": "sink", "kind": "apprise", "url": "json://sink:9000/"}
    made = api.http.post("/api/v1/notifications/channels", json=channel)
    assert made.status_code == 201, made.text
    rule = {"name": "alerts", "channel_id": made.json()["id"], "events": ["alert"], "language": "en"}
    assert api.http.post("/api/v1/notifications/rules", json=rule).status_code == 201

    def fill_and_look() -> str:
        # Anew each time: what Valkey uses shrinks after a job.
        used = project.call("exec", "-T", "valkey", "valkey-cli", "info", "memory")
        (used_bytes,) = re.findall(r"^used_memory:(\d+)", used, re.MULTILINE)
        project.call("exec", "-T", "valkey", "valkey-cli", "config", "set", "maxmemory", str(int(used_bytes) * 5 // 4))
        return project.run("logs", "sink").out

    try:
        printed = until(fill_and_look, lambda text: "KaboomRedisMemoryHigh" in text, within_s=240, every_s=2)
        assert "Redis uses 70 % or more of its memory" in printed
    finally:
        project.call("exec", "-T", "valkey", "valkey-cli", "config", "set", "maxmemory", "1gb")


def test_what_is_lost_comes_back_from_the_backups(project: Compose, api: Api, job: dict[str, Any]) -> None:
    bars = count_bars(api)
    project.call("up", "--detach", "--wait", "--no-deps", *_BACKUPS)
    day = (datetime.now(UTC) + timedelta(hours=9)).date()
    (block,) = re.findall(r"^DAY=2026-11-28\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    steps = block.replace("\\\n", " ").splitlines()
    stop, *restore, up = (line.replace("docker compose", "docker-compose") for line in steps)
    _shell(project, stop)
    _shell(
        project, 'docker-compose exec -T postgres psql -U kaboom -h 127.0.0.1 -c "DROP TABLE jobs, bar_page CASCADE"'
    )
    _shell(project, "docker-compose run --rm --no-deps --entrypoint rm backup-files -rf /srv/kaboom/kaboom")
    for line in restore:
        _shell(project, f"DAY={day:%Y-%m-%d}\n{line}")
    assert up == "docker-compose up --detach --wait"
    _shell(project, f"{up} caddy worker")
    assert api.job(job["job_id"])["status"] == "completed"
    assert count_bars(api) == bars > 300


def _shell(project: Compose, line: str) -> None:
    (password,) = re.findall(r"POSTGRES_PASSWORD=(\S+)", (project.folder / ".env").read_text())
    line = line.replace("exec -T postgres", f"exec -T --env PGPASSWORD={password} postgres")
    env = {
        "PATH": "/usr/local/sbin:/usr/sbin:/usr/bin:/bin",
        "HOME": str(project.folder),
        "DOCKER_HOST": project.address,
    }
    done = subprocess.run(
        ["bash", "-euc", line], cwd=project.folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{line}: {done.stdout}\n{done.stderr}"
