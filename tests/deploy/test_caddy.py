"""The proxies of compose.yaml and of the page about TLS, real ones: TLS before the API, and who asks is passed on."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from kaboom.drivers.embedded.servers import free_port
from kaboom.web.rate_limit import AddressLimiter
from tests.fixtures.repo.command_blocks import read_blocks
from tests.fixtures.repo.repository import load_text
from tests.fixtures.servers.http_servers import Request, Response, serving
from tests.fixtures.servers.stacks import until

PAGE = "docs/how-to/put-tls-in-front.md"
#: Where the page has Kaboom, its name and the folder of its certificate.
UPSTREAM, NAME, CERTIFICATES = "127.0.0.1:8000", "kaboom.example.com", "/etc/letsencrypt/live/kaboom.example.com"
#: What a configuration of Caddy begins with that a test runs beside others.
GLOBAL = "{\n\thttp_port 8080\n\thttps_port 8443\n\tskip_install_trust\n\tadmin off\n}\n"


@dataclass(frozen=True)
class Proxy:
    """The addresses of a running proxy, and the file of the authority that it has its certificate from."""

    http: str
    https: str
    authority: Path


def tell(request: Request) -> Response:
    """Answer with the headers that name the caller to the API."""
    names = ("host", "x-forwarded-for", "x-forwarded-proto")
    return Response(200, "|".join(request.headers.get(name, "") for name in names).encode())


def block_of(language: str) -> str:
    """Return the one block of a language of the page."""
    (text,) = [block.text for block in read_blocks(load_text(PAGE)) if block.language == language]
    assert NAME in text
    return text


@contextmanager
def running(argv: list[str], env: dict[str, str], folder: Path) -> Iterator[None]:
    """Let a proxy run."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def caddy(text: str, folder: Path) -> Iterator[Proxy]:
    """Give a Caddy that runs a Caddyfile on free ports, in front of a server that answers with what it received."""
    program = shutil.which("caddy")
    assert program, "caddy is not on PATH: on Debian and Ubuntu `apt-get install caddy`"
    plain, tls = free_port(), free_port()
    text = text.replace("8080\n", f"{plain}\n").replace("8443\n", f"{tls}\n").replace("2020", str(free_port()))
    text = text.replace("{\n", "{\n\tdefault_bind 127.0.0.1\n", 1)
    with serving(tell) as url:
        upstream = url.removeprefix("http://")
        (folder / "Caddyfile").write_text(text.replace(UPSTREAM, upstream))
        env = {"PATH": os.environ["PATH"], "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        argv = [program, "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
        with running(argv, env | {"KABOOM_UPSTREAM": upstream}, folder):
            authority = folder / "caddy/pki/authorities/local/root.crt"
            until(authority.exists, bool, within_s=60)
            yield Proxy(f"http://localhost:{plain}", f"https://localhost:{tls}", authority)


@contextmanager
def nginx(folder: Path) -> Iterator[Proxy]:
    """Give an nginx that runs the page's configuration on a free port."""
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    assert program, "nginx is not on PATH: on Debian and Ubuntu `apt-get install nginx`"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    make += ["-addext", "subjectAltName=DNS:localhost", "-keyout", "privkey.pem", "-out", "fullchain.pem"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    tls = free_port()
    with serving(tell) as url:
        text = block_of("nginx").replace("443", f"127.0.0.1:{tls}").replace(CERTIFICATES, str(folder))
        text = text.replace(UPSTREAM, url.removeprefix("http://")).replace(NAME, "localhost")
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        own = " ".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
        start = f"daemon off; pid {folder / 'pid'}; error_log stderr; events {{}}"
        (folder / "nginx.conf").write_text(f"{start} http {{ access_log off; {own}\n{text}}}\n")
        argv = [program, "-e", "stderr", "-c", str(folder / "nginx.conf")]
        with running(argv, {"PATH": os.environ["PATH"]}, folder):
            yield Proxy("", f"https://localhost:{tls}", folder / "fullchain.pem")


@contextmanager
def proxy(name: str, folder: Path) -> Iterator[Proxy]:
    """Give a running proxy by its name."""
    if name == "nginx":
        opened = nginx(folder)
    elif name == "compose":
        opened = caddy(load_text("infra/compose/Caddyfile"), folder)
    else:
        opened = caddy(GLOBAL + block_of("caddyfile").replace(NAME, "localhost"), folder)
    with opened as started:
        yield started


@pytest.mark.parametrize("name", ["compose", "caddy", "nginx"])
def test_https_is_served_and_who_asks_is_passed_on(name: str, tmp_path: Path) -> None:
    with proxy(name, tmp_path) as started:
        context = ssl.create_default_context(cafile=started.authority)
        with httpx2.Client(verify=context, trust_env=False, timeout=10) as http:

            def ask() -> str:
                try:
                    # A client that lies about its address is not believed.
                    return http.get(started.https, headers={"x-forwarded-for": "203.0.113.9"}).text
                except httpx2.HTTPError:
                    return ""

            host, forwarded, scheme = until(ask, bool, within_s=30).split("|")
    assert (host, scheme) == (started.https.removeprefix("https://"), "https")
    client = AddressLimiter("60/minute", hops=1).find_client("peer", [(b"x-forwarded-for", forwarded.encode())])
    assert client in {"127.0.0.1", "::1"}


@pytest.mark.parametrize("name", ["compose", "caddy"])
def test_http_leads_to_https(name: str, tmp_path: Path) -> None:
    with proxy(name, tmp_path) as started:

        def ask() -> int:
            try:
                return httpx2.get(started.http, trust_env=False).status_code
            except httpx2.HTTPError:
                return 0

        assert until(ask, bool, within_s=30) == 308
