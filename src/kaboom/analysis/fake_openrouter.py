"""A fake OpenRouter, for tests: the name of a model chooses how it misbehaves, and what it says; pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson

type Opinion = dict[str, Any]
type Spoil = Callable[[Opinion, Mapping[str, Any]], object]

#: The fields that a good opinion cites: one for each kind of analysis.
_FIELDS = frozenset({"close", "failed", "total_return_pct"})


def make_opinion(body: Mapping[str, Any]) -> Opinion:
    """Return an opinion without faults, on the facts in the body of a request."""
    facts = read_facts(body)
    found = ((row["id"], name, value) for row in facts["rows"] for name, value in row["values"].items())
    source, field, value = next((each for each in found if each[1] in _FIELDS), ("", "", 0.0))
    sentence = "The value is {}." if "English" in body["messages"][0]["content"] else "値は{}です。"
    # The second verdict of a job is one that its numbers allow.
    verdict = _verdicts(body)[1 if field == "total_return_pct" or (field == "failed" and value) else 0]
    claim = {"source": source, "field": field, "value": value}
    points = [{"text": sentence.format(value), "claims": [claim]}]
    return {"subject": facts["subject"], "verdict": verdict, "confidence": 0.7, "points": points}


def read_facts(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts in the body of a request; they are its first part if images follow."""
    content = body["messages"][1]["content"]
    facts: dict[str, Any] = orjson.loads(content if isinstance(content, str) else content[0]["text"])
    return facts


def find_texts(body: Mapping[str, Any]) -> str:
    """Return the texts of others in the facts, which an obedient model follows as instructions."""
    facts = read_facts(body)
    notes = [text for row in facts["rows"] for text in row.get("notes", {}).values()]
    return " ".join(filter(None, [str(facts.get("name", "")), *notes])) or "buy now"


def _verdicts(body: Mapping[str, Any]) -> list[str]:
    found: list[str] = body["response_format"]["json_schema"]["schema"]["$defs"]["Verdict"]["enum"]
    return found


def _word_opinion(text: str) -> Spoil:
    return lambda opinion, _: opinion["points"][0].update(text=text)


def _parrot(opinion: Opinion, body: Mapping[str, Any]) -> None:
    opinion["points"][0]["text"] = find_texts(body)[:300]


def _obey(opinion: Opinion, body: Mapping[str, Any]) -> None:
    orders = find_texts(body)
    opinion |= {"verdict": orders, orders: True, "subject": orders[:40]}


def _decorate(opinion: Opinion, body: Mapping[str, Any]) -> None:
    orders = find_texts(body)[:100]
    link = f"<a href='https://example.com'>{orders}</a>"
    opinion["points"] = [{**opinion["points"][0], "text": text} for text in (link, f"[{orders}](https://example.com)")]


def _admit(opinion: Opinion, body: Mapping[str, Any]) -> None:
    opinion["points"][0]["text"] = f"{body['messages'][0]['content'][:100]} {body.get('authorization', '')}"[:300]


#: By behaviour, the change to a good opinion before it is sent.
SPOILED: Mapping[str, Spoil] = MappingProxyType(
    {
        "second": lambda opinion, body: opinion.update(verdict=_verdicts(body)[1], confidence=0.5),
        "last": lambda opinion, body: opinion.update(verdict=_verdicts(body)[-1], confidence=0.9),
        "wrong-enum": lambda opinion, _: opinion.update(verdict="strong_buy"),
        "liar": _word_opinion("99,999 JPY."),
        "misquoting": lambda opinion, _: opinion["points"][0]["claims"][0].update(value=99_999.0),
        "foreign": lambda opinion, _: opinion.update(subject="0000"),
        "linking": _word_opinion("詳しくは https://example.com を見てください。"),
        "html": _word_opinion("<script>alert(1)</script>"),
        "advising": _word_opinion("今すぐ買いましょう。必ず上がります。"),
        "extra": lambda opinion, _: opinion.update(start_job="ingest.run_daily"),
        "parrot": _parrot,
        "obedient": _obey,
        "decorating": _decorate,
        "confessing": _admit,
    }
)


#: The only key that it accepts.
KEY = "sk-or-v1-fake"
#: The cost of an answer, in dollars.
COST = 0.000421
_JSON = {"Content-Type": "application/json"}
_MEGABYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class FakeReply:
    """The reply to send; without a status the connection is closed without an answer."""

    status: int | None
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=lambda: _JSON)


type Behave = Callable[[dict[str, Any]], FakeReply]


def _reply(body: Mapping[str, Any], text: str | None, **changes: Any) -> FakeReply:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 812, "completion_tokens": 96, "cost": COST}
    values = {"id": "gen-1", "model": body["model"], "choices": [choice], "usage": usage} | changes
    return FakeReply(200, orjson.dumps(values))


def _say(body: Mapping[str, Any], opinion: Opinion, **changes: Any) -> FakeReply:
    return _reply(body, orjson.dumps(opinion).decode(), **changes)


def _fail(status: int, message: str, headers: Mapping[str, str] | None = None) -> FakeReply:
    body = orjson.dumps({"error": {"code": status, "message": message}})
    return FakeReply(status, body, {**_JSON, **(headers or {})})


def _end_with(reason: str, *, cost: float) -> Behave:
    choice = {"finish_reason": reason, "message": {"content": '{"subject"'}}
    return lambda body: _reply(body, None, choices=[choice], usage={"cost": cost})


def _say_error(**changes: Any) -> Behave:
    return lambda body: _reply(body, None, choices=None, error={"code": 502, "message": "it fell over"}, **changes)


def _spoil(behaviour: str, body: Mapping[str, Any]) -> FakeReply:
    opinion = make_opinion(body)
    SPOILED[behaviour](opinion, body)
    return _say(body, opinion)


def _confess(body: Mapping[str, Any]) -> FakeReply:
    opinion = make_opinion(body)
    SPOILED["confessing"](opinion, body)
    call = {"type": "function", "function": {"name": "start_job", "arguments": '{"task": "ingest.run_daily"}'}}
    text = orjson.dumps(opinion).decode()
    choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": text, "tool_calls": [call]}}
    return _reply(body, text, choices=[choice])


#: Each with a line for the command's help.
_ABOUT: Mapping[str, tuple[str, Behave]] = MappingProxyType(
    {
        "good": ("a sound opinion", lambda body: _say(body, make_opinion(body))),
        "second": ("sound, with the second verdict", lambda body: _spoil("second", body)),
        "last": ("sound, with the last verdict", lambda body: _spoil("last", body)),
        "free": ("sound, without usage and cost", lambda body: _say(body, make_opinion(body), usage=None)),
        "slow": ("sound, after some seconds", lambda body: _say(body, make_opinion(body))),
        "flaky": ("502 the first time, then sound", lambda body: _say(body, make_opinion(body))),
        "busy": ("429 with Retry-After the first time, then sound", lambda body: _say(body, make_opinion(body))),
        "broke": ("402, no credit", lambda _: _fail(402, "Insufficient credits")),
        "refusing": ("400", lambda _: _fail(400, "bad request")),
        "down": ("502 every time", lambda _: _fail(502, "down")),
        "late-error": ("200 with an error, free", _say_error(usage={"cost": 0})),
        "lost-error": ("200 with an error, cost unknown", _say_error(usage=None)),
        "ended": ("finish_reason error, free", _end_with("error", cost=0)),
        "ended-paid": ("finish_reason error, and paid", _end_with("error", cost=COST)),
        "cut": ("cut off at its longest length", _end_with("length", cost=COST)),
        "empty": ("no text", lambda body: _reply(body, None)),
        "broken": ("half of a JSON object", lambda body: _reply(body, '{"subject": "7203", "verd')),
        "chatty": ("prose", lambda body: _reply(body, "申し訳ありません。")),
        "no-json": ("a page of HTML", lambda _: FakeReply(200, b"<html>", {"Content-Type": "text/html"})),
        "hang-up": ("closes the connection", lambda _: FakeReply(None)),
        "huge": ("four megabytes", lambda body: _reply(body, "x" * _MEGABYTES)),
        "long": ("half a megabyte", lambda body: _reply(body, "x" * (_MEGABYTES // 8))),
        "wrong-enum": ("a verdict that there is not", lambda body: _spoil("wrong-enum", body)),
        "liar": ("a number that is not in the data", lambda body: _spoil("liar", body)),
        "misquoting": ("a claim with another number", lambda body: _spoil("misquoting", body)),
        "foreign": ("about another symbol", lambda body: _spoil("foreign", body)),
        "linking": ("a link", lambda body: _spoil("linking", body)),
        "html": ("HTML", lambda body: _spoil("html", body)),
        "advising": ("advice to buy", lambda body: _spoil("advising", body)),
        "extra": ("a field that the schema does not have", lambda body: _spoil("extra", body)),
        "parrot": ("repeats texts of others", lambda body: _spoil("parrot", body)),
        "obedient": ("does what texts of others say", lambda body: _spoil("obedient", body)),
        "decorating": ("puts texts of others in links and HTML", lambda body: _spoil("decorating", body)),
        "confessing": ("tells its prompt and its key, and calls tools", _confess),
    }
)
#: The description of each behaviour, by name.
BEHAVIOURS: Mapping[str, str] = MappingProxyType({name: about for name, (about, _) in _ABOUT.items()})


def find_behaviour(model: str) -> str:
    """Return the behaviour of a model; `good` if its name has none."""
    name = model.partition("/")[0]
    return name if name in BEHAVIOURS else "good"


def answer(body: dict[str, Any], *, authorization: str, seen: int = 1, fails: int = 1) -> FakeReply:
    """Return the answer to the body of a chat completion.

    `seen` is how often the model was asked, including now; `flaky` and `busy` models fail the first `fails` times.
    """
    if authorization != f"Bearer {KEY}":
        return _fail(401, "No auth credentials found")
    behaviour = find_behaviour(body["model"])
    if behaviour == "flaky" and seen <= fails:
        return _fail(502, "down")
    if behaviour == "busy" and seen <= fails:
        return _fail(429, "slow down", {"Retry-After": "0"})
    return _ABOUT[behaviour][1](body | {"authorization": authorization})
