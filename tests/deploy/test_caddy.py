"""The Caddyfile of compose.yaml, by a real Caddy: TLS before the API, and who asks is passed on."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from kaboom.drivers.embedded.servers import free_port
from tests.fixtures.repo.repository import load_text
from tests.fixtures.servers.http_servers import Request, Response, serving
from tests.fixtures.servers.stacks import until


def tell(request: Request) -> Response:
    """Answer with the headers that name the caller to the API."""
    names = ("host", "x-forwarded-for", "x-forwarded-proto")
    return Response(200, "|".join(request.headers.get(name, "") for name in names).encode())


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The addresses of HTTP and HTTPS of a Caddy in front of a server that answers with what it received."""
    program = shutil.which("caddy")
    assert program, "caddy is not on PATH: on Debian and Ubuntu `apt-get install caddy`"
    plain, tls, health = free_port(), free_port(), free_port()
    text = load_text("infra/compose/Caddyfile").replace("8080\n", f"{plain}\n").replace("8443\n", f"{tls}\n")
    text = text.replace("2020", str(health)).replace("{\n", "{\n\tdefault_bind 127.0.0.1\n", 1)
    (tmp_path / "Caddyfile").write_text(text)
    with serving(tell) as upstream:
        env = {"PATH": os.environ["PATH"], "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)}
        env["KABOOM_UPSTREAM"] = upstream.removeprefix("http://")
        argv = [program, "run", "--config", str(tmp_path / "Caddyfile"), "--adapter", "caddyfile"]
        with (tmp_path / "log").open("wb") as log:
            process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            root = tmp_path / "caddy/pki/authorities/local/root.crt"
            until(root.exists, bool, within_s=60)
            yield f"http://localhost:{plain}", f"https://localhost:{tls}"
        finally:
            process.terminate()
            process.wait(20)


def test_https_is_served_and_who_asks_is_passed_on(site: tuple[str, str], tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=tmp_path / "caddy/pki/authorities/local/root.crt")
    with httpx2.Client(verify=context, trust_env=False, timeout=10) as http:

        def ask() -> str:
            try:
                # A client that lies about its address is not believed.
                return http.get(site[1], headers={"x-forwarded-for": "203.0.113.9"}).text
            except httpx2.HTTPError:
                return ""

        host, client, scheme = until(ask, bool, within_s=30).split("|")
    assert (host, scheme) == (site[1].removeprefix("https://"), "https")
    assert client in {"127.0.0.1", "::1"}


def test_http_leads_to_https(site: tuple[str, str]) -> None:
    def ask() -> int:
        try:
            return httpx2.get(site[0], trust_env=False).status_code
        except httpx2.HTTPError:
            return 0

    assert until(ask, bool, within_s=30) == 308
