"""The fake OpenRouter that users run: asked by the same client as the real one."""

import threading
from collections.abc import Iterator

import httpx2
import pytest

from kaboom.analysis.fake_openrouter import BEHAVIOURS, KEY
from kaboom.analysis.models.calls import Asker
from kaboom.analysis.models.terms import Budget, ModelTerms, parse_chains
from kaboom.analysis.prompt import build_prompt
from kaboom.analysis.spending import MemorySpending
from kaboom.cli.exits import CliError
from kaboom.cli.stack.fake_openrouter import open_server
from tests.analysis.cases import technical_facts

pytestmark = pytest.mark.anyio


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a running fake."""
    server = open_server(0, slow_s=0.0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


async def test_models_of_the_fake_answer_as_they_are_named(url: str) -> None:
    models = "good/a liar/b flaky/c hang-up/e slow/f unknown/g"
    terms = ModelTerms(url, KEY, parse_chains(models), 3, 15, Budget(10**7, 10**8), 20.0)
    facts = technical_facts()
    answers = await Asker(terms, MemorySpending(), "job-1").ask_all(build_prompt(facts, "en"), facts)
    endings = {answer.model: answer.ending.value for answer in answers}
    assert endings == {
        "good/a": "used",
        "liar/b": "refused",
        "flaky/c": "used",
        "hang-up/e": "failed",
        "slow/f": "used",
        "unknown/g": "used",
    }


async def test_another_key_and_another_body_are_refused(url: str) -> None:
    async with httpx2.AsyncClient(base_url=url, trust_env=False) as http:
        wrong = await http.post("/chat/completions", json={"model": "good/a"})
        odd = await http.post("/chat/completions", content=b"[]")
        empty = await http.post(
            "/chat/completions", json={"model": "good/a"}, headers={"Authorization": f"Bearer {KEY}"}
        )
    assert [answer.status_code for answer in (wrong, odd, empty)] == [401, 400, 400]


def test_a_port_that_is_taken_is_reported(url: str) -> None:
    with pytest.raises(CliError, match=r"port \d+ could not be opened"):
        open_server(int(url.rpartition(":")[2]), slow_s=0.0)


def test_every_behaviour_is_described() -> None:
    assert len(BEHAVIOURS) >= 12
