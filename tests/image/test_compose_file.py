"""compose.yaml as Docker Compose itself reads it; nothing is started."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.fixtures.repo.containers import ABSENT, find_missing
from tests.fixtures.repo.repository import ROOT, load_text
from tests.fixtures.servers.stacks import Command

_NAMES = ("INGEST_API_TOKEN", "POSTGRES_PASSWORD", "GRAFANA_PASSWORD", "KABOOM_NOTIFICATION_KEY")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the file and, made as the guide says, its secrets."""
    missing = find_missing()
    assert not missing, ABSENT.format(missing=", ".join(missing))
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    (make,) = re.findall(r"^ *(\(umask .*)$", load_text("docs/how-to/run-with-docker.md"), re.MULTILINE)
    subprocess.run(["bash", "-euc", make], cwd=tmp_path, check=True)
    return tmp_path


def compose(project: Path, *arguments: str) -> Command:
    env = {"PATH": os.environ["PATH"], "HOME": str(project)}
    argv = ["docker-compose", *arguments]
    done = subprocess.run(argv, cwd=project, env=env, capture_output=True, text=True, timeout=60, check=False)
    return Command(done.returncode, done.stdout, done.stderr)


def test_with_the_secrets_of_the_guide_it_is_whole(project: Path) -> None:
    done = compose(project, "config", "--format", "json")
    assert done.code == 0, done.err
    services: dict[str, Any] = orjson.loads(done.out)["services"]
    kept = {"postgres", "valkey", "backup-files", "backup-ledger"}
    assert set(services) == kept | {"alertmanager", "api", "caddy", "grafana", "migrate", "prometheus", "worker"}
    assert all(service["read_only"] for service in services.values())
    assert {port["host_ip"] for s in services.values() for port in s.get("ports", ())} == {"127.0.0.1"}
    assert (project / ".env").stat().st_mode & 0o077 == 0
    secrets = [line.split("=")[1] for line in (project / ".env").read_text().splitlines()]
    assert all(re.fullmatch(r"[0-9a-f]{64}", secret) for secret in secrets)
    assert len(set(secrets)) == len(_NAMES)


@pytest.mark.parametrize("name", _NAMES)
def test_a_secret_that_is_missing_is_named(name: str, project: Path) -> None:
    env = project / ".env"
    env.write_text("".join(line for line in env.read_text().splitlines(keepends=True) if not line.startswith(name)))
    done = compose(project, "config", "--quiet")
    assert done.code != 0
    assert f"required variable {name} is missing a value: set it in .env" in done.err


def test_without_any_secret_it_does_not_start(project: Path) -> None:
    (project / ".env").unlink()
    done = compose(project, "config", "--quiet")
    assert done.code != 0
    assert "set it in .env" in done.err
