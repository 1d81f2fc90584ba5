"""How the fake answers: the part of a model's name before the slash chooses the behaviour; pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson

from kaboom.analysis.fake_openrouter.opinions import SPOILED, Opinion, make_opinion

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
