"""The command line in this process, and servers for it to talk to."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import orjson
import pytest

from kaboom.bars import open as stores
from kaboom.bars.pages.store import PageBarStore
from kaboom.cli.main import run_cli
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.stacks import Api, serving


@dataclass(frozen=True)
class Done:
    """What a command left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        """The data on stdout."""
        return orjson.loads(self.out)


type Kaboom = Callable[..., Done]


@pytest.fixture
def kaboom(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """Run `kaboom …` in an empty folder, in English."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KABOOM_LANG", "en")
    # A command closes the store of its process, and this process runs many.
    monkeypatch.setattr(stores, "_page_store", PageBarStore)
    # `--data-dir` sets it; so it is put back after the test.
    monkeypatch.setenv("KABOOM_DATA_DIR", "")

    def run(*arguments: str) -> Done:
        capsys.readouterr()
        code = run_cli(list(arguments))
        return Done(int(code), *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API in a process of its own, which runs its jobs itself."""
    with serving(tmp_path_factory.mktemp("live") / "data") as api:
        yield api


@pytest.fixture
def at_live(live: Api, kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """Run `kaboom …` against that API, with its token and on its bars."""
    monkeypatch.setenv("KABOOM_API_URL", live.url)
    monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
    monkeypatch.setenv("KABOOM_DATA_DIR", str(live.data_dir))
    return kaboom


@dataclass
class Scripted:
    """A server that gives the next answer of its script: status, media type, body."""

    url: str
    answers: list[tuple[int, bytes]]
    seen: list[tuple[str, str, str]]
    last_ids: list[str | None] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """A server that answers what the test says; the command line talks to it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script.seen.append((self.path, self.headers["x-ingest-token"], self.headers["accept-language"]))
            script.last_ids.append(self.headers["last-event-id"])
            status, content = script.answers.pop(0) if len(script.answers) > 1 else script.answers[0]
            self.send_response(status)
            for name, value in script.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    script = Scripted(f"http://127.0.0.1:{server.server_port}", [], [])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("KABOOM_API_URL", script.url)
    monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
    yield script
    server.shutdown()
    server.server_close()
    thread.join()
