"""A headless n8n of its own on loopback, that is told to call nobody and watched for whether it does."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from kaboom.drivers.embedded.servers import free_port
from tests.fixtures.servers.stacks import until
from tests.n8n.lab.install import Installation

GUARD = Path(__file__).parent / "loopback_only.cjs"
#: Without a screen, a word to n8n's makers, or anything that is fetched.
HEADLESS = {
    "EXTERNAL_FRONTEND_HOOKS_URLS": "",
    "N8N_COMMUNITY_PACKAGES_ENABLED": "false",
    "N8N_DIAGNOSTICS_CONFIG_BACKEND": "",
    "N8N_DIAGNOSTICS_CONFIG_FRONTEND": "",
    "N8N_DIAGNOSTICS_ENABLED": "false",
    "N8N_DISABLE_UI": "true",
    "N8N_HIRING_BANNER_ENABLED": "false",
    "N8N_PERSONALIZATION_ENABLED": "false",
    "N8N_TEMPLATES_ENABLED": "false",
    "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
}
#: What this version needs on Node 20, and workflows that read their addresses from the environment.
SETUP = {
    "DB_SQLITE_POOL_SIZE": "2",
    "N8N_BLOCK_ENV_ACCESS_IN_NODE": "false",
    "N8N_ENCRYPTION_KEY": "a key of the tests",
    "N8N_ENFORCE_SETTINGS_FILE_PERMISSIONS": "true",
    "N8N_EXPRESSION_ENGINE": "legacy",
    "N8N_RUNNERS_ENABLED": "true",
    "N8N_HOST": "127.0.0.1",
    "N8N_LISTEN_ADDRESS": "127.0.0.1",
    "N8N_RUNNERS_BROKER_LISTEN_ADDRESS": "127.0.0.1",
}


@dataclass(frozen=True)
class Execution:
    """One run of a workflow, as n8n has noted it."""

    number: int
    status: str


@dataclass
class N8n:
    """An n8n in a folder of its own, which is running between `start` and `stop`."""

    installation: Installation
    folder: Path
    env: Mapping[str, str]
    port: int = field(default_factory=free_port)
    _process: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        """Make its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=15, trust_env=False)

    @property
    def log(self) -> Path:
        """Where it writes what it has to say."""
        return self.folder / "n8n.log"

    @property
    def outside(self) -> list[str]:
        """Every look-up and connection that would have left this machine."""
        noted = self.folder / "outside.log"
        return noted.read_text().splitlines() if noted.exists() else []

    def environment(self) -> dict[str, str]:
        """Return what it is started with: of this environment only what finds programs."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        own = {
            "HOME": str(self.folder),
            "LOOPBACK_ONLY_LOG": str(self.folder / "outside.log"),
            "N8N_PORT": str(self.port),
            "N8N_RUNNERS_BROKER_PORT": str(free_port()),
            "N8N_USER_FOLDER": str(self.folder),
            "NODE_OPTIONS": f"--require {GUARD}",
        }
        return kept | HEADLESS | SETUP | own | dict(self.env)

    def command(self, *arguments: str) -> str:
        """Run a command of n8n's command line and return what it said."""
        argv = [*self.installation.command, *arguments]
        done = subprocess.run(argv, env=self.environment(), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        return done.stdout

    def fill(self, credentials: list[dict[str, Any]], workflows: Mapping[str, Any]) -> None:
        """Import credentials and workflows, and turn the workflows on."""
        held = self.folder / "credentials.json"
        held.write_text(json.dumps(credentials))
        self.command("import:credentials", f"--input={held}")
        held.unlink()
        folder = self.folder / "workflows"
        folder.mkdir()
        for name, workflow in workflows.items():
            (folder / name).write_text(json.dumps(workflow))
        self.command("import:workflow", "--separate", f"--input={folder}")
        self.command("update:workflow", "--all", "--active=true")

    def start(self) -> None:
        """Start it, and return when its workflows are on."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self.installation.command, "start"],
                env=self.environment(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        said = self.log.stat().st_size
        until(lambda: self._is_ready(said), bool, within_s=60)

    def stop(self) -> int:
        """Tell it to end, and return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(40)
        finally:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        """Stop it, and release the connection."""
        self.http.close()
        self.stop()

    def call(self, path: str, body: Any = None, **headers: str) -> int:
        """Call a webhook of a workflow, and return the status."""
        return self.http.post(f"/webhook/{path}", json=body or {}, headers=headers).status_code

    def executions(self, workflow: str, after: int = 0) -> list[Execution]:
        """Return the runs of a workflow that a webhook began, oldest first, from n8n's own database."""
        path = self.folder / ".n8n" / "database.sqlite"
        of = "\"workflowId\" = ? AND mode = 'webhook' AND id > ?"
        ask = f"SELECT id, status FROM execution_entity WHERE {of} ORDER BY id"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            return [Execution(*row) for row in connection.execute(ask, (workflow, after))]

    def files_with(self, text: str) -> list[str]:
        """Return the files below its folder that hold a text."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return [path.name for path in files if text.encode() in path.read_bytes()]

    def _is_ready(self, said: int) -> bool:
        assert self._process is not None
        log = self.log.read_bytes()[said:].decode(errors="replace")
        assert self._process.poll() is None, log
        return "Editor is now accessible" in log
