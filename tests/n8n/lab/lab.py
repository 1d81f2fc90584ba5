"""A whole Kaboom, a real n8n beside it, and what both of them call: a provider, an inbox, and a link to cut."""

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.faults.lab.proxy import FaultProxy
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.providers.fake_market import small_market
from tests.fixtures.providers.fake_yahoo import FakeYahoo, yahoo_server
from tests.fixtures.providers.provider_faults import answer_late
from tests.fixtures.servers.http_servers import Request
from tests.fixtures.servers.receivers import SECRET, Receiver, receiving
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import Stack, stack, until
from tests.n8n.lab.clock import Desk, clock_desk
from tests.n8n.lab.install import Installation
from tests.n8n.lab.relay import Relay, relaying
from tests.n8n.lab.server import Execution, N8n
from tests.n8n.lab.workflows import CALLBACK, PATHS, POLLING, load_workflows, vary

TRIGGER_TOKEN = "a trigger token of the tests"
NOTIFIER = {"user": "kaboom", "password": "a-password-of-the-tests"}
#: As a user makes them, with the ids that the workflows name.
CREDENTIALS: list[dict[str, Any]] = [
    {"id": key, "name": name, "type": "httpHeaderAuth", "data": {"name": header, "value": value}}
    for key, name, header, value in (
        ("kaboomIngestToken", "Kaboom ingest token", "x-ingest-token", TOKEN),
        ("kaboomTriggerToken", "Kaboom trigger token", "x-trigger-token", TRIGGER_TOKEN),
    )
]
CREDENTIALS.append({"id": "kaboomNotifier", "name": "Kaboom notifier", "type": "httpBasicAuth", "data": NOTIFIER})
#: One for each test, so that no two of them are about the same work.
SYMBOLS = ("7203", "6758", "9984", "8306", "6501", "6902", "7974", "8035", "9432", "9433", "4063", "6861", "6098")
#: Copies: one that is due all the time, and one that waits for no more than an instant.
CLOCK, HASTY = "kaboomClock", "kaboomHasty"
#: What every call here asks for: quick, of a provider that does as told.
ASKED = {"provider": "yahoo", "intervals": {"1d": 1}}


@dataclass
class Lab:
    """What runs, and what a test asks of it."""

    n8n: N8n
    up: Stack
    #: Between n8n and the API: a link that can be cut, then what writes down.
    link: FaultProxy
    relay: Relay
    inbox: Receiver
    yahoo: FakeYahoo
    #: What the clock's copy talks to.
    desk: Desk
    held: threading.Event = field(default_factory=threading.Event)

    def fire(self, workflow: str, **asked: Any) -> "Firing":
        """Start a workflow by its webhook."""
        begun = self.watch(workflow)
        body = asked if workflow not in {POLLING, CALLBACK, HASTY} else ASKED | asked
        assert self.n8n.call(PATHS.get(workflow, workflow), body, **{"x-trigger-token": TRIGGER_TOKEN}) == 200
        return begun

    def watch(self, workflow: str) -> "Firing":
        """Return what follows the next start of a workflow."""
        runs = self.n8n.executions(workflow)
        return Firing(self, workflow, runs[-1].number if runs else 0, len(self.inbox.seen), len(self.relay.seen))

    def hold(self, symbol: str) -> None:
        """Let no answer about a symbol through until `held` is set."""
        self.held.clear()
        self.yahoo.faults_by_symbol[symbol] = answer_late(self.held)

    def heal(self) -> None:
        """Make everything as it was."""
        self.held.set()
        self.yahoo.faults_by_symbol.clear()
        self.relay.target, self.relay.instead = self.up.api.url, None
        self.link.heal()


@dataclass(frozen=True)
class Firing:
    """One start of a workflow."""

    lab: Lab
    workflow: str
    #: The run before it, and how many messages and questions there were.
    after: int
    seen: int
    heard: int

    def message(self, *words: str, within_s: float = 40) -> str:
        """Return the first message since the start that has all these words."""

        def has_all(text: str) -> bool:
            return all(word in text for word in words)

        texts = until(self.messages, lambda texts: any(map(has_all, texts)), within_s=within_s)
        return next(filter(has_all, texts))

    def messages(self) -> list[str]:
        """Return every message since the start."""
        return [json.loads(got.body)["text"] for got in self.lab.inbox.seen[self.seen :]]

    def asked(self, path: str) -> list[Request]:
        """Return what n8n has asked for at a path since the start."""
        return [request for request in self.lab.relay.seen[self.heard :] if request.path == path]

    def end(self) -> Execution:
        """Return the run that this start made, when it has ended."""
        return self.wait_for("success", "error", "crashed", "canceled")

    def wait_for(self, *statuses: str) -> Execution:
        """Return the run that this start made, when it has one of these states."""
        runs = until(
            lambda: self.lab.n8n.executions(self.workflow, self.after),
            lambda runs: bool(runs) and runs[0].status in statuses,
            within_s=40,
        )
        return runs[0]

    def job(self, symbol: str) -> dict[str, Any]:
        """Return the newest job that asks for a symbol, as soon as there is one."""
        found = until(lambda: self.lab.up.api.get(f"/jobs?q={symbol}&limit=1")["items"], bool, within_s=20)
        job: dict[str, Any] = found[0]
        return job


def job_id_in(text: str) -> str:
    """Return the id of the job that a message tells of."""
    found = re.search(r"\b[0-9a-f]{32}\b", text)
    assert found, text
    return found[0]


@contextmanager
def open_lab(installation: Installation) -> Iterator[Lab]:
    """Run everything; n8n is filled while Kaboom starts."""
    with ExitStack() as opened:
        folder = opened.enter_context(open_folder())
        inbox, desk = opened.enter_context(receiving()), opened.enter_context(clock_desk())
        yahoo, relay = opened.enter_context(_yahoo()), opened.enter_context(relaying())
        link = FaultProxy(urlsplit(relay.url).port or 0)
        opened.callback(link.close)
        # A slash at the end, as people write it.
        addresses = {"KABOOM_API_URL": f"http://127.0.0.1:{link.port}/", "KABOOM_NOTIFY_URL": inbox.url}
        n8n = N8n(installation, folder / "n8n", addresses)
        with ThreadPoolExecutor(1) as beside:
            filled = beside.submit(n8n.fill, CREDENTIALS, _workflows(desk))
            up = opened.enter_context(_kaboom(folder / "kaboom", n8n, yahoo))
            filled.result()
        n8n.start()
        opened.callback(n8n.close)
        lab = Lab(n8n, up, link, relay, inbox, yahoo, desk)
        lab.heal()
        yield lab
        lab.heal()


def _workflows(desk: Desk) -> dict[str, Any]:
    own = load_workflows()
    clock = vary(own[POLLING], CLOCK, cron="*/2 * * * * *", api_url=desk.url, notify_url=f"{desk.url}/notify")
    hasty = vary(own[CALLBACK], HASTY, give_up_after_min=0.001)
    return {f"{workflow['id']}.json": workflow for workflow in (*own.values(), clock, hasty)}


@contextmanager
def _yahoo() -> Iterator[FakeYahoo]:
    with yahoo_server() as fake:
        fake.market = small_market(*SYMBOLS)
        yield fake


@contextmanager
def _kaboom(data_dir: Path, n8n: N8n, yahoo: FakeYahoo) -> Iterator[Stack]:
    data_dir.mkdir(mode=0o755)
    (data_dir / "ingest-token").write_text(TOKEN)
    settings = {
        "KABOOM_FETCH_ATTEMPTS": "1",
        "KABOOM_PROVIDER_REQUESTS_PER_MINUTE": "yahoo=off",
        "KABOOM_WEBHOOK_HOSTS": f"127.0.0.1:{n8n.port}",
        "KABOOM_WEBHOOK_SECRET": SECRET,
        "YAHOO_BASE_URL": yahoo.url,
        "YAHOO_ENABLED": "true",
    }
    with stack(data_dir, concurrency=2, **settings) as running:
        yield running
