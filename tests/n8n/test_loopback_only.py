"""What tells that n8n calls nobody outside notices each way of trying, and lets through what stays inside."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.fixtures.servers.receivers import receiving
from tests.n8n.lab.server import GUARD

#: A documentation address and a reserved name: nobody is there, should one get through.
_TRIED = {
    "fetch('http://192.0.2.1/').catch(() => {})": "connect 192.0.2.1",
    "require('http').get('http://192.0.2.2/').on('error', () => {})": "connect 192.0.2.2",
    "require('https').get('https://n8n.invalid/').on('error', () => {})": "connect n8n.invalid",
    "require('net').connect(80, '192.0.2.3').on('error', () => {})": "connect 192.0.2.3",
    "require('tls').connect({host: '192.0.2.4', port: 443}).on('error', () => {})": "connect 192.0.2.4",
    "require('dns').lookup('n8n.invalid', () => {})": "lookup n8n.invalid",
    "require('dns').promises.lookup('n8n.invalid').catch(() => {})": "lookup n8n.invalid",
    "try { require('dns').resolve4('n8n.invalid', () => {}) } catch {}": "resolve4 n8n.invalid",
}


def run(script: str, folder: Path) -> list[str]:
    log = folder / "outside.log"
    environment = os.environ | {"NODE_OPTIONS": f"--require {GUARD}", "LOOPBACK_ONLY_LOG": str(log)}
    subprocess.run(["node", "-e", script], env=environment, check=True, timeout=60, capture_output=True)
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize("script", _TRIED)
def test_what_would_leave_is_noted(script: str, tmp_path: Path) -> None:
    assert run(script, tmp_path) == [_TRIED[script]]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_what_stays_is_let_through(host: str, tmp_path: Path) -> None:
    with receiving() as inside:
        url = inside.url.replace("127.0.0.1", host)
        assert run(f"fetch('{url}', {{method: 'POST', body: 'x'}})", tmp_path) == []
    assert [got.body for got in inside.seen] == [b"x"]
