"""Redis behind TLS with an authority of its own, as Memorystore has it: one address does for all three clients."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from celery import Celery
from kombu import Connection

from kaboom.drivers.redis.client import connect_redis, redis_errors
from kaboom.worker.brokers import broker_options, result_options
from tests.fixtures.servers.authority import Authority
from tests.fixtures.servers.stacks import serving, until
from tests.fixtures.servers.tls_servers import tls_valkey
from tests.fixtures.workers.workers import Place, worker

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder)


@pytest.fixture(scope="module")
def address(folder: Path, authority: Authority) -> Iterator[str]:
    """A server whose certificate names its IP address."""
    with tls_valkey(folder, "named", authority.issue("named")) as url:
        yield url


@pytest.fixture(scope="module")
def nameless(folder: Path, authority: Authority) -> Iterator[str]:
    """A server whose certificate has the IP address in its common name alone."""
    with tls_valkey(folder, "nameless", authority.issue("nameless", names_ip=False)) as url:
        yield url


def ask_by_ours(url: str) -> bool:
    async def ask() -> bool:
        redis = connect_redis(url, client_name="test")
        try:
            with redis_errors():
                return bool(await redis.ping())
        finally:
            await redis.aclose()

    return asyncio.run(ask())


def ask_by_kombu(url: str) -> bool:
    options = broker_options(url, "CELERY_BROKER_URL")
    transport, more = options["broker_transport"], options["broker_transport_options"]
    with Connection(options["broker_read_url"], transport=transport, transport_options=more) as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        channel: Any = connection.default_channel
        return bool(channel.client.ping())


def results_of(url: str) -> Any:
    """Return Celery's own reader of results."""
    app = Celery("results", set_as_current=False)
    app.backend_cls, app.conf.result_backend_transport_options = result_options(url)
    return app.backend


def ask_by_celery(url: str) -> bool:
    results = results_of(url)
    try:
        return bool(results.client.ping())
    finally:
        results.client.close()


CLIENTS: list[Callable[[str], Any]] = [ask_by_ours, ask_by_kombu, ask_by_celery]


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_certificate_of_the_authority_is_trusted(
    ask: Callable[[str], Any], address: str, authority: Authority
) -> None:
    assert ask(f"{address}?ssl_ca_certs={authority.ca}")


@pytest.mark.parametrize("ask", CLIENTS)
@pytest.mark.parametrize("options", ["", "?ssl_ca_certs={stranger}"])
def test_no_other_authority_is(ask: Callable[[str], Any], options: str, address: str, tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"(?i)certificate.verify.failed"):
        ask(address + options.format(stranger=Authority(tmp_path, "Strangers").ca))


@pytest.mark.parametrize("ask", CLIENTS)
def test_two_authorities_in_one_file_are_both_trusted(
    ask: Callable[[str], Any], address: str, authority: Authority, tmp_path: Path
) -> None:
    """As while one takes over from the other."""
    both = tmp_path / "both.pem"
    both.write_bytes(Authority(tmp_path, "Successors").ca.read_bytes() + authority.ca.read_bytes())
    assert ask(f"{address}?ssl_ca_certs={both}")


@pytest.mark.parametrize("ask", CLIENTS)
def test_a_certificate_of_another_host_is_trusted_if_configured(
    ask: Callable[[str], Any], nameless: str, authority: Authority
) -> None:
    with pytest.raises(Exception, match=r"IP address mismatch"):
        ask(f"{nameless}?ssl_ca_certs={authority.ca}")
    assert ask(f"{nameless}?ssl_ca_certs={authority.ca}&ssl_check_hostname=false")


def test_a_job_runs_over_tls_from_the_request_to_its_result(
    nameless: str, authority: Authority, database_url: str, tmp_path: Path
) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE jobs CASCADE")
    url = f"{nameless}?ssl_ca_certs={authority.ca}&ssl_check_hostname=false"
    place = Place(url, database_url, tmp_path)
    servers = {"REDIS_URL": url, "DATABASE_URL": database_url, "DISABLE_CELERY": "false", "DISABLE_REDIS": "false"}
    with (
        serving(tmp_path / "api", **servers) as api,
        # Celery reads these two from the environment by itself, and would not read them as they are.
        worker(place, application="app.tasks.celery_app", CELERY_BROKER_URL=url, CELERY_RESULT_BACKEND=url),
    ):
        job_id = api.submit(intervals={"1h": 1}, symbols=["7203", "6758"], session="2025-11-04")
        job = api.wait(job_id, within_s=60)
        assert (job["status"], job["progress"]["done"]) == ("completed", 2)
        parts = api.http.get("/readyz").json()["parts"]
        assert {name for name, part in parts.items() if part["is_ok"]} == {"redis", "broker", "database"}
        results = results_of(url)
        # It follows the end that the API shows by a moment.
        assert until(lambda: results.get_state(job_id), lambda state: state == "SUCCESS", within_s=20) == "SUCCESS"
        results.client.close()
