"""200 prompt injections against four models that obey them: nothing leaves the schema, no HTML, no link."""

import orjson
import pytest

from kaboom.analysis.checks.judge import judge_answer
from kaboom.analysis.facts.model import Facts
from kaboom.analysis.fake_openrouter import KEY, answer
from kaboom.analysis.models.calls import build_body, read_reply
from kaboom.analysis.models.terms import Budget, ModelTerms
from kaboom.analysis.opinion import Opinion
from kaboom.analysis.prompt import build_prompt
from kaboom.analysis.vocabulary import VERDICTS
from kaboom.drivers.http.reply import Reply
from tests.analysis.cases import backtest_facts, ingest_facts, technical_facts
from tests.fixtures.jobs.injections import all_injections

INJECTIONS = list(all_injections())
OBEDIENT = ("parrot", "obedient", "decorating", "confessing")
TERMS = ModelTerms("http://127.0.0.1:1", KEY, (("x/y",),), 3, 15, Budget(0, 0), 1.0)


def facts_with(place: str, text: str) -> Facts:
    if place == "name":
        return technical_facts(name=text)
    return backtest_facts(strategy=text) if place == "strategy" else ingest_facts(text)


def obey(facts: Facts, model: str) -> Opinion | None:
    """Return the opinion that is used of a model that obeys what it finds in the facts."""
    body = orjson.loads(build_body(build_prompt(facts, "ja"), (f"{model}/m",), TERMS))
    reply = answer(body, authorization=f"Bearer {KEY}")
    told = read_reply(Reply(reply.status, reply.headers, reply.body)).without(KEY)
    return judge_answer(told.text or "", facts).opinion


def test_there_are_200_injections_of_which_none_is_lost_on_the_way() -> None:
    assert len(set(INJECTIONS)) == 200
    for place, text in INJECTIONS:
        sent = build_prompt(facts_with(place, text), "ja").user
        # What is visible of it reaches the model, as data.
        assert any(word in sent for word in text.replace('"', " ").replace("\\", " ").split()), text


@pytest.mark.parametrize("model", OBEDIENT)
def test_no_injection_escapes(model: str) -> None:
    used = 0
    for place, text in INJECTIONS:
        facts = facts_with(place, text)
        opinion = obey(facts, model)
        if opinion is None:
            continue
        used += 1
        shown = opinion.model_dump_json()
        assert opinion.subject == facts.subject
        assert opinion.verdict in VERDICTS[facts.kind]
        assert Opinion.model_validate_json(shown) == opinion
        assert not set("<>[]{}`|\\*_#&=@$^") & {letter for point in opinion.points for letter in point.text}
        assert not [part for part in ("://", "www.", "example.com", "javascript:", KEY) if part in shown]
        assert all(point.text.isprintable() for point in opinion.points)
    # Only a model that repeats a harmless sentence has an opinion left.
    assert used == 0 or model == "parrot"
