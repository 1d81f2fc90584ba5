"""The Prometheus of compose.yaml takes its configuration, with the alerts where compose.yaml mounts them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.repo.repository import ROOT


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "infra/alerts", tmp_path / "alerts")
    shutil.copy(ROOT / "infra/prometheus/prometheus.yml", tmp_path)
    return tmp_path / "prometheus.yml"


def check(config: Path) -> tuple[int, str]:
    program = shutil.which("promtool")
    assert program, "promtool is not on PATH: on Debian and Ubuntu `apt-get install prometheus`"
    done = subprocess.run([program, "check", "config", str(config)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_configuration_and_the_alerts_are_taken(config: Path) -> None:
    code, said = check(config)
    assert code == 0, said
    assert "kaboom.rules.yaml" in said


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("scrape_interval: 15s", "scrape_interval: 15"),
        ("dns_sd_configs", "dns_sd_config"),
        ("type: A", "type: B"),
        ("alerts/*.rules.yaml", "alerts/absent.yaml"),
        ("job_name: kaboom-worker", "job_name: kaboom-api"),
        ("port: 8080", "port: worker"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, config: Path) -> None:
    text = config.read_text()
    assert old in text
    config.write_text(text.replace(old, new))
    assert check(config)[0] != 0
