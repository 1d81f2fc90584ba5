"""Asking models on a fake OpenRouter: each behaviour ends as designed, and nothing wrong is called an opinion."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from kaboom.analysis.models.calls import Asker, build_body, read_reply
from kaboom.analysis.models.terms import Budget, ModelTerms, parse_chains
from kaboom.analysis.prompt import build_prompt
from kaboom.analysis.report import Answer, Ending, analyse_by_models
from kaboom.analysis.spending import MemorySpending
from kaboom.drivers.http.reply import Reply
from tests.analysis.cases import technical_facts
from tests.fixtures.providers.fake_openrouter import KEY, FakeOpenRouter, fake_openrouter
from tests.fixtures.servers.http_servers import Request, Response, serving

pytestmark = pytest.mark.anyio
FACTS = technical_facts()
PROMPT = build_prompt(FACTS, "ja")
#: 0.000421 dollars.
COST = 421


@pytest.fixture
def fake() -> Iterator[FakeOpenRouter]:
    """A fake OpenRouter."""
    with fake_openrouter() as server:
        yield server


def asker(fake: FakeOpenRouter, models: str, spending: MemorySpending | None = None, **changes: Any) -> Asker:
    budget = Budget(job=10**7, day=10**8)
    terms = ModelTerms(fake.url, KEY, parse_chains(models), 3, 15, budget, 20.0)
    return Asker(replace(terms, **changes), spending or MemorySpending(), "job-1")


async def ask_one(fake: FakeOpenRouter, model: str, **changes: Any) -> Answer:
    (answer,) = await asker(fake, model, **changes).ask_all(PROMPT, FACTS)
    return answer


async def test_a_good_answer_is_an_opinion_with_its_cost(fake: FakeOpenRouter) -> None:
    answer = await ask_one(fake, "good/model")
    assert (answer.ending, answer.model, answer.cost, answer.tries) == (Ending.USED, "good/model", COST, 1)
    assert (answer.prompt_tokens, answer.completion_tokens, answer.is_kept) == (812, 96, False)


async def test_what_is_sent_is_the_prompt_with_a_closed_schema_and_no_tools(fake: FakeOpenRouter) -> None:
    await ask_one(fake, "good/model,good/other")
    (body,) = fake.bodies
    assert body["models"] == ["good/model", "good/other"]
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["provider"] == {
        "require_parameters": True,
        "data_collection": "deny",
        "max_price": {"prompt": 3, "completion": 15},
    }
    assert [message["content"] for message in body["messages"]] == [PROMPT.system, PROMPT.user]
    assert not {"tools", "functions", "plugins", "user"} & set(body)
    assert KEY not in fake.requests[0].body.decode()


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("liar/m", "number at /points/0/text"),
        ("misquoting/m", "value at /points/0/claims/0/value"),
        ("foreign/m", "subject at /subject"),
        ("linking/m", "link at /points/0/text"),
        ("html/m", "letters at /points/0/text"),
        ("advising/m", "advice at /points/0/text"),
        ("extra/m", "schema at /start_job"),
        ("wrong-enum/m", "schema at /verdict"),
        ("broken/m", "schema at /"),
        ("chatty/m", "schema at /"),
        ("long/m", "schema at /: more than 65536 bytes"),
    ],
)
async def test_an_answer_that_fails_a_check_is_refused_and_paid_once(
    fake: FakeOpenRouter, model: str, reason: str
) -> None:
    answer = await ask_one(fake, model)
    assert (answer.ending, answer.opinion, answer.cost, answer.tries) == (Ending.REFUSED, None, COST, 1)
    assert reason in answer.reason


@pytest.mark.parametrize(
    ("model", "reason", "tries"),
    [
        ("refusing/m", "the server answered 400: bad request", 1),
        ("broke/m", "the server answered 402: Insufficient credits", 1),
        ("down/m", "the server answered 502: down", 3),
        ("late-error/m", "the server answered 200 with an error: it fell over", 3),
        ("lost-error/m", "the server answered 200 with an error: it fell over", 1),
        ("ended/m", "the model ended with an error", 3),
        ("ended-paid/m", "the model ended with an error", 1),
        ("huge/m", "the answer was longer than 1,048,576 bytes", 1),
        ("cut/m", "the answer was cut off at its longest length", 1),
        ("empty/m", "the answer has no text", 1),
        ("no-json/m", "the answer has no text", 1),
        ("hang-up/m", "the connection broke", 1),
    ],
)
async def test_a_failure_is_reported_and_tried_again_only_where_that_helps(
    fake: FakeOpenRouter, model: str, reason: str, tries: int
) -> None:
    answer = await ask_one(fake, model)
    assert (answer.ending, answer.tries, len(fake.requests)) == (Ending.FAILED, tries, tries)
    assert answer.reason.startswith(reason)


async def test_a_passing_failure_is_tried_again(fake: FakeOpenRouter) -> None:
    for model in ("flaky/m", "busy/m"):
        answer = await ask_one(fake, model)
        assert (answer.ending, answer.tries, answer.cost) == (Ending.USED, 2, COST)


async def test_pause_that_a_model_asks_for_is_kept() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Response:
        asked.append(request)
        return Response(429, b"{}", {"Retry-After": "60"})

    with serving(answer) as url:
        given = await ask_one(FakeOpenRouter(url), "busy/m", deadline_s=20.0)
    # A minute is longer than the deadline, so there is no second try.
    assert (given.ending, given.tries, len(asked)) == (Ending.FAILED, 1, 1)


@pytest.mark.parametrize(("dollars", "cost"), [("0.0000011", 2), ("0.0004211", 422), ("0.000421", 421), ("0", 0)])
def test_cost_is_rounded_up_to_a_micro_dollar(dollars: str, cost: int) -> None:
    body = b'{"usage": {"cost": %b}, "choices": [{"message": {"content": "x"}}]}' % dollars.encode()
    assert read_reply(Reply(200, body=body)).cost == cost


@pytest.mark.parametrize(
    ("count", "read"),
    [
        ("812", 812),
        ("0", 0),
        ("999999999", 999_999_999),
        ("1000000000", 0),
        ("-1", 0),
        ("1.5", 0),
        ("true", 0),
        ('"8"', 0),
    ],
)
def test_a_count_of_tokens_is_a_whole_number_or_unknown(count: str, read: int) -> None:
    usage = f'{{"prompt_tokens": {count}, "completion_tokens": {count}}}'
    body = f'{{"usage": {usage}, "choices": [{{"message": {{"content": "x"}}}}]}}'.encode()
    reply = read_reply(Reply(200, body=body))
    assert (reply.prompt_tokens, reply.completion_tokens, reply.text) == (read, read, "x")


@pytest.mark.parametrize("choices", ["[]", "{}", '"x"', "null", "[[]]", '[{"message": {"content": ""}}]'])
def test_an_answer_without_text_is_a_failure_whatever_its_choices_are(choices: str) -> None:
    reply = read_reply(Reply(200, body=f'{{"usage": {{"cost": 0}}, "choices": {choices}}}'.encode()))
    assert (reply.failure, reply.text) == ("the answer has no text", None)


async def test_a_slow_answer_ends_at_the_deadline_and_counts_as_paid(fake: FakeOpenRouter) -> None:
    spending = MemorySpending()
    fake.slow_s = 3.0
    asking = asker(fake, "slow/m", spending, deadline_s=1.0)
    (answer,) = await asking.ask_all(PROMPT, FACTS)
    assert (answer.ending, answer.tries) == (Ending.FAILED, 1)
    most = asking.most_cost(PROMPT)
    assert answer.cost == await spending.spent("job:job-1") == most


async def test_a_wrong_key_is_a_failure_without_the_key(fake: FakeOpenRouter) -> None:
    answer = await ask_one(fake, "good/m", key="sk-or-v1-wrong")
    assert answer.reason == "the server answered 401: No auth credentials found"


async def test_no_credit_opens_the_breaker_for_all_models(fake: FakeOpenRouter) -> None:
    spending = MemorySpending()
    await asker(fake, "broke/m", spending).ask_all(PROMPT, FACTS)
    (answer,) = await asker(fake, "good/m", spending).ask_all(PROMPT, FACTS)
    assert (answer.ending, len(fake.requests)) == (Ending.NOT_ASKED, 1)
    assert answer.reason == "the breaker is open: the server answered 402: Insufficient credits"


async def test_the_same_content_is_paid_once(fake: FakeOpenRouter) -> None:
    spending = MemorySpending()
    first = await asker(fake, "good/m", spending).ask_all(PROMPT, FACTS)
    again = await asker(fake, "good/m", spending).ask_all(PROMPT, FACTS)
    assert (again[0].opinion, again[0].reason) == (first[0].opinion, "")
    assert (again[0].cost, again[0].is_kept, len(fake.requests)) == (0, True, 1)
    refused = [await asker(fake, "liar/m", spending).ask_all(PROMPT, FACTS) for _ in range(2)]
    assert [answers[0].ending for answers in refused] == [Ending.REFUSED] * 2
    assert len(fake.requests) == 2


@pytest.mark.parametrize("model", ["cut/m", "ended-paid/m", "lost-error/m", "hang-up/m", "huge/m"])
async def test_a_failed_call_that_may_have_been_paid_is_not_repeated(fake: FakeOpenRouter, model: str) -> None:
    spending = MemorySpending()
    (first,) = await asker(fake, model, spending).ask_all(PROMPT, FACTS)
    (again,) = await asker(fake, model, spending).ask_all(PROMPT, FACTS)
    assert (again.ending, again.cost, again.is_kept, len(fake.requests)) == (Ending.FAILED, 0, True, 1)
    assert again.reason == f"the same was asked before, and may have been paid: {first.reason}"


async def test_an_answer_with_the_key_in_it_is_kept_without_it(fake: FakeOpenRouter) -> None:
    spending = MemorySpending()
    (answer,) = await asker(fake, "confessing/m", spending).ask_all(PROMPT, FACTS)
    assert (answer.ending, answer.opinion) == (Ending.REFUSED, None)
    assert KEY not in repr(answer)
    assert KEY not in repr(spending._calls)


async def test_a_budget_that_is_too_small_asks_nobody(fake: FakeOpenRouter) -> None:
    answer = await ask_one(fake, "good/m", budget=Budget(job=100, day=10**8))
    assert (answer.ending, fake.requests) == (Ending.NOT_ASKED, [])
    assert answer.reason.startswith("the job's budget was 100 micro-dollars, 0 used")


async def test_an_unknown_cost_counts_as_all_that_was_reserved(fake: FakeOpenRouter) -> None:
    spending = MemorySpending()
    asking = asker(fake, "free/m", spending)
    (answer,) = await asking.ask_all(PROMPT, FACTS)
    assert answer.ending == Ending.USED
    assert answer.cost == await spending.spent("job:job-1") == asking.most_cost(PROMPT)


async def test_models_agree_by_majority_of_those_asked(fake: FakeOpenRouter) -> None:
    answers = await asker(fake, "good/a good/b last/c").ask_all(PROMPT, FACTS)
    found = analyse_by_models(FACTS, answers).consensus
    assert (found.verdict, found.agreed, found.asked) == ("bullish", 2, 3)
    answers = await asker(fake, "good/a liar/b html/c").ask_all(PROMPT, FACTS)
    assert analyse_by_models(FACTS, answers).consensus.verdict is None


def test_the_most_that_a_call_costs_is_by_its_bytes() -> None:
    terms = ModelTerms("http://127.0.0.1:1", KEY, (("a/b",),), 3, 15, Budget(0, 0), 1.0)
    body = build_body(PROMPT, ("a/b",), terms)
    assert terms.most_cost(body) == (len(body) + 1_000) * 3 + 2_000 * 15
    assert KEY not in repr(terms)
    assert orjson.loads(body)["max_tokens"] == 2_000


def test_chains_are_read_from_a_text() -> None:
    assert parse_chains(" a/x,b/y  c/z c/z ") == (("a/x", "b/y"), ("c/z",))
