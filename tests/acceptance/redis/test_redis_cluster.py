"""A Redis Cluster is refused at the start: by API, worker and doctor, in one line that says why."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from kaboom.catalog import CATALOG
from kaboom.cli.stack.whole import worker_argv
from kaboom.drivers.embedded.servers import free_port
from kaboom.errors import ConfigurationError
from kaboom.jobs.engine.parts import check_parts
from kaboom.settings import AppSettings
from kaboom.worker.brokers import check_results
from tests.fixtures.jobs.apps import TOKEN, real_settings
from tests.fixtures.servers.servers import Servers
from tests.fixtures.servers.stacks import KABOOM, clean_environment
from tests.fixtures.servers.valkeys import PASSWORD, valkey

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

PROGRAMS = {
    "api": (*KABOOM, "serve", "--port", "{port}"),
    "worker": worker_argv(1),
    "doctor": (*KABOOM, "doctor", "--json"),
}
NODE = "names a node of a Redis Cluster (cluster_enabled:1)"
REASON = "Celery's broker does not support it, and a script changes several keys"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real node of a cluster, with no other in it."""
    with valkey(
        tmp_path_factory.mktemp("cluster"), "node", cluster_enabled="yes", cluster_port=str(free_port())
    ) as server:
        yield server.url


def start(program: str, servers: Servers, folder: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a program that must end by itself."""
    argv = [part.format(port=free_port()) for part in PROGRAMS[program]]
    settings = {"REDIS_URL": servers.redis_url, "DATABASE_URL": servers.database_url, "INGEST_API_TOKEN": TOKEN}
    environment = clean_environment(KABOOM_DATA_DIR=str(folder), **(settings | env))
    return subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=90)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("kind", ["node", "scheme"])
def test_each_program_ends_with_one_line_and_its_reason(
    program: str, kind: str, node: str, servers: Servers, tmp_path: Path
) -> None:
    broker = {"node": node, "scheme": "redis+cluster://:secret@127.0.0.1:7000/0"}[kind]
    words = {"node": NODE, "scheme": "was redis+cluster://…, which is a Redis Cluster"}[kind]
    done = start(program, servers, tmp_path, CELERY_BROKER_URL=broker)
    assert done.returncode not in {0, None}
    said = done.stdout if program == "doctor" else done.stderr
    (line,) = [each for each in said.splitlines() if "Cluster" in each]
    assert line.count(f"CELERY_BROKER_URL {words}: {REASON}") == 1
    for secret in ("Traceback", "secret", PASSWORD):
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("setting", "value"),
    [("redis_url", "{node}"), ("celery_broker_url", "{node}"), ("queue_brokers", "backtest={node}")],
)
async def test_a_node_is_refused_wherever_it_stands(
    setting: str, value: str, node: str, servers: Servers, tmp_path: Path
) -> None:
    settings = real_settings(servers.redis_url, servers.database_url, tmp_path)
    unfit = settings.model_copy(update={setting: SecretStr(value.format(node=node))})
    with pytest.raises(ConfigurationError) as raised:
        await check_parts(unfit, CATALOG, role="test")
    name = AppSettings.model_fields[setting].validation_alias
    assert f"{name} {NODE}: {REASON}" in raised.value.message


async def test_a_node_for_results_is_refused(node: str) -> None:
    with pytest.raises(ConfigurationError, match=r"CELERY_RESULT_BACKEND names a node of a Redis Cluster"):
        await check_results(node)


async def test_a_database_that_a_node_has_not_is_refused(node: str, servers: Servers, tmp_path: Path) -> None:
    settings = real_settings(f"{node.removesuffix('/0')}/1", servers.database_url, tmp_path)
    with pytest.raises(ConfigurationError, match="REDIS_URL had a database that its server refuses"):
        await check_parts(settings, CATALOG, role="test")
