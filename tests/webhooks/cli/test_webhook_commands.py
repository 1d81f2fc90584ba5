"""`kaboom webhooks …` against a real API that calls back."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from kaboom.cli.exits import Exit
from kaboom.market.calendar import JST
from tests.fixtures.cli import Done, Kaboom
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.receivers import SECRET, Receiver, receiving
from tests.fixtures.servers.stacks import Api, serving, until

SMALL = ("ingest", "run-daily", "--session", "2025-11-04", "--symbol", "7203", "--dry-run", "--json")


def data(done: Done) -> dict[str, Any]:
    assert done.code == 0, done.err
    return cast("dict[str, Any]", done.json)


@pytest.fixture(scope="module")
def calling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API in a process of its own that runs its jobs and calls back."""
    folder: Path = tmp_path_factory.mktemp("calling")
    env = {"KABOOM_WEBHOOK_SECRET": SECRET, "KABOOM_WEBHOOK_HOSTS": "127.0.0.1"}
    with serving(folder / "data", **env) as api:
        yield api


@pytest.fixture
def kaboom_calling(calling: Api, kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch) -> Kaboom:
    """Run `kaboom …` against that API."""
    monkeypatch.setenv("KABOOM_API_URL", calling.url)
    monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
    return kaboom


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as listening:
        yield listening


def settled(api: Api, job_id: str) -> dict[str, Any]:
    """Return the webhook about a job when it has ended."""
    items = until(
        lambda: api.get(f"/webhooks?job_id={job_id}")["items"],
        lambda found: found[0]["status"] in {"delivered", "dead"},
        within_s=60,
    )
    return cast("dict[str, Any]", items[0])


def test_a_dead_webhook_is_listed_shown_and_replayed(kaboom_calling: Kaboom, calling: Api, receiver: Receiver) -> None:
    receiver.script(410, 200)
    job_id = data(kaboom_calling(*SMALL, "--callback-url", receiver.url))["job_id"]
    webhook = settled(calling, job_id)
    listed = data(kaboom_calling("webhooks", "list", "--status", "dead", "--job", job_id, "--json"))
    assert listed == {"items": [webhook], "next_cursor": None}
    assert data(kaboom_calling("webhooks", "list", "--status", "pending", "--job", job_id, "--json"))["items"] == []
    table = kaboom_calling("webhooks", "list", "--job", job_id).out
    assert f"{webhook['id']}  {job_id}  dead" in table
    assert "the receiver answered 410" in table
    assert data(kaboom_calling("webhooks", "show", webhook["id"], "--json")) == webhook
    shown = kaboom_calling("webhooks", "show", webhook["id"]).out
    assert receiver.url in shown
    for name in ("created_at", "ended_at"):
        in_tokyo = datetime.fromisoformat(webhook[name]).astimezone(JST)
        assert f"{in_tokyo:%Y-%m-%d %H:%M:%S}" in shown
        assert webhook[name] not in shown

    done = kaboom_calling("webhooks", "replay", webhook["id"])
    assert (done.code, done.out) == (0, f"{webhook['id']}  pending\n")
    assert settled(calling, job_id)["status"] == "delivered"
    assert [seen.verify()["data"]["job_id"] for seen in receiver.seen] == [job_id, job_id]


def test_none_says_how_to_ask_for_one(kaboom_calling: Kaboom) -> None:
    done = kaboom_calling("webhooks", "list", "--status", "waiting")
    assert (done.code, done.out) == (0, "")
    assert "--callback-url" in done.err


@pytest.mark.parametrize("command", ["show", "replay"])
def test_an_unknown_one_ends_with_4(kaboom_calling: Kaboom, command: str) -> None:
    assert kaboom_calling("webhooks", command, "msg_1").code == Exit.NOT_FOUND


def test_a_url_that_may_not_be_called_ends_with_2(kaboom_calling: Kaboom) -> None:
    done = kaboom_calling(*SMALL, "--callback-url", "https://10.0.0.1/")
    assert done.code == Exit.USAGE
    assert "did not lead to a public address" in done.err
