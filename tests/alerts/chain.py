"""A real Prometheus and a real Alertmanager on loopback, with the rules' times made short."""

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import yaml

from kaboom.drivers.embedded.servers import free_port
from tests.alerts.rules import ALERTMANAGER, Rule, find_tool, load_rules, write_rules
from tests.fixtures.servers.stacks import until

#: In place of each window, which is a minute or more.
WINDOW_S = 20
#: What Alertmanager shows to the API, as compose.yaml gives it in a file.
TOKEN = "alerts-token"


@dataclass(frozen=True)
class Chain:
    """Both servers, by the port of Prometheus."""

    http: httpx2.Client

    def query(self, expr: str) -> list[dict[str, Any]]:
        """Return the series that an expression has now."""
        answer = self.http.get("/api/v1/query", params={"query": expr})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["data"]["result"]
        return found


@contextmanager
def chain(folder: Path, *, targets: Sequence[str], receiver: str) -> Iterator[Chain]:
    """Scrape processes each second, judge each second, and send alerts to a receiver instead of the API."""
    ports = {"prometheus": free_port(), "prometheus-alertmanager": free_port()}
    write_rules(folder / "rules.yaml", [_quick(rule) for rule in load_rules().values()], interval="1s")
    (folder / "prometheus.yaml").write_text(_prometheus(targets, ports["prometheus-alertmanager"]))
    (folder / "token").write_text(TOKEN)
    (folder / "alertmanager.yaml").write_text(_alertmanager(receiver, folder / "token"))
    # No gossip: there is one.
    arguments = {
        "prometheus": ("--storage.tsdb.path",),
        "prometheus-alertmanager": ("--cluster.listen-address=", "--storage.path"),
    }
    with ExitStack() as stack:
        for name, port in ports.items():
            config = folder / f"{name.removeprefix('prometheus-')}.yaml"
            common = (f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}")
            stack.enter_context(
                _running(name, *common, *arguments[name], str(folder / name), log=folder / f"{name}.log")
            )
        for port in ports.values():
            until(lambda port=port: _is_ready(port), bool, within_s=60)  # type: ignore[misc]
        with httpx2.Client(base_url=f"http://127.0.0.1:{ports['prometheus']}", timeout=15, trust_env=False) as http:
            yield Chain(http)


def _quick(rule: Rule) -> Rule:
    hold = min(int(rule.hold.removesuffix("s")), 1)
    return replace(rule, expr=shorten(rule.expr), hold=f"{hold}s")


def shorten(expr: str) -> str:
    """Return an expression with short windows."""
    return re.sub(r"\[\w+\]", f"[{WINDOW_S}s]", expr)


def _prometheus(targets: Sequence[str], alertmanager: int) -> str:
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
            "scrape_configs": [{"job_name": "kaboom", "static_configs": [{"targets": [*targets]}]}],
        }
    )


def _alertmanager(receiver: str, token: Path) -> str:
    """Return the configuration with its waits made short, and the receiver's address in place of the API's."""
    config = yaml.safe_load(ALERTMANAGER.read_text("utf-8"))
    config["route"] |= {"group_wait": "0s", "group_interval": "1s"}
    for each in config["receivers"]:
        for hook in each["webhook_configs"]:
            hook["url"] = re.sub(r"^http://[^/]+", receiver, hook["url"])
            hook["http_config"]["http_headers"]["x-ingest-token"]["files"] = [str(token)]
    return str(yaml.safe_dump(config))


@contextmanager
def _running(name: str, *arguments: str, log: Path) -> Iterator[None]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            [find_tool(name), *arguments], cwd=log.parent, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_ready(port: int) -> bool:
    with suppress(httpx2.HTTPError):
        return httpx2.get(f"http://127.0.0.1:{port}/-/ready", timeout=5, trust_env=False).status_code == 200
    return False
