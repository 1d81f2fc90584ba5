"""Puts the fakes on PATH: each is a small program that asks a server in this process, which also plays the API."""

import json
import os
import socketserver
import stat
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from tests.deploy.workflows.cloud import Cloud, CloudError
from tests.fixtures.servers.http_servers import Request, Response, serving

PROGRAMS = ("gcloud", "docker", "cosign", "syft", "grype")
#: Asks with NULs between: how many arguments, the program, the arguments, what tools look at of the environment, and
#: what it is given to read where an argument says so.
_CLIENT = """#!/usr/bin/env bash
STDIN=''
for word in "$@"; do case $word in - | *=- | *=/dev/stdin) STDIN=$(cat) ;; esac; done
exec 3<>/dev/tcp/127.0.0.1/{port}
printf '%s\\0' "$#" "${{0##*/}}" "$@" {env} >&3
IFS= read -r -d '' code <&3; IFS= read -r -d '' out <&3; IFS= read -r -d '' err <&3
printf '%s' "$out"
printf '%s' "$err" >&2
exit "$code"
"""
_ENV = ("CLOUDSDK_CORE_PROJECT", "CLOUDSDK_RUN_REGION", "ACTIONS_ID_TOKEN_REQUEST_URL", "STDIN")


class Runs(Protocol):
    """What plays the programs."""

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> tuple[int, str, str]:
        """Return the exit code of a command line, its stdout and its stderr."""


@contextmanager
def on_path(tools: Runs, folder: Path, programs: Sequence[str] = PROGRAMS) -> Iterator[Path]:
    """Make a folder of programs that do what the tools say."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            argv = [self._word() for _ in range(int(self._word()) + 1)]
            env = {name: value for name in _ENV if (value := self._word())}
            self.wfile.write("".join(f"{part}\0" for part in tools.run(argv, env)).encode())

        def _word(self) -> str:
            return b"".join(iter(lambda: self.rfile.read(1), b"\0")).decode()

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        folder.mkdir()
        env = " ".join(f'"${name}"' for name in _ENV)
        for name in programs:
            program = folder / name
            program.write_text(_CLIENT.format(port=server.server_address[1], env=env), encoding="utf-8")
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        try:
            yield folder
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serving_apis(cloud: Cloud, faults: dict[str, int | str]) -> Iterator[str]:
    """Play the API of each service at /SERVICE, and of each tag at /TAG---SERVICE, with faults by URL's first part."""

    def answer(request: Request) -> Response:
        host, _, path = request.path.removeprefix("/").partition("/")
        try:
            release = _release_at(cloud, host)
        except (CloudError, KeyError, StopIteration):
            return Response(404)
        match request.method, path:
            case "GET", "readyz":
                release = str(faults.get(f"release {host}", release))
                status = int(faults.get(f"readyz {host}", 200))
                return Response(status, json.dumps({"ready": status == 200, "release": release}).encode())
            case "POST", "api/v1/ingest/run-daily":
                return Response(202 if "x-ingest-token" in request.headers else int(faults.get(f"post {host}", 401)))
        return Response(404)

    with serving(answer) as url:
        yield url


def _release_at(cloud: Cloud, host: str) -> str:
    tag, _, name = host.rpartition("---")
    service = cloud.services[name]
    if not tag:
        return service.live.release
    return service.revision(next(t.revision for t in service.traffic if t.tag == tag)).release


def plain_environment(programs: Path) -> dict[str, str]:
    """Return an environment for a runner: the fakes, and the system's own programs behind them."""
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "SMOKE_TRIES": "2",
        "SMOKE_PAUSE_S": "0",
    }
