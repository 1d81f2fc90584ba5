"""The opinions of the fake's models: a good opinion on any facts, and the ways to spoil one; pure."""

from collections.abc import Callable, Mapping
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


def _say(text: str) -> Spoil:
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


def _confess(opinion: Opinion, body: Mapping[str, Any]) -> None:
    opinion["points"][0]["text"] = f"{body['messages'][0]['content'][:100]} {body.get('authorization', '')}"[:300]


#: By behaviour, the change to a good opinion before it is sent.
SPOILED: Mapping[str, Spoil] = MappingProxyType(
    {
        "second": lambda opinion, body: opinion.update(verdict=_verdicts(body)[1], confidence=0.5),
        "last": lambda opinion, body: opinion.update(verdict=_verdicts(body)[-1], confidence=0.9),
        "wrong-enum": lambda opinion, _: opinion.update(verdict="strong_buy"),
        "liar": _say("99,999 JPY."),
        "misquoting": lambda opinion, _: opinion["points"][0]["claims"][0].update(value=99_999.0),
        "foreign": lambda opinion, _: opinion.update(subject="0000"),
        "linking": _say("詳しくは https://example.com を見てください。"),
        "html": _say("<script>alert(1)</script>"),
        "advising": _say("今すぐ買いましょう。必ず上がります。"),
        "extra": lambda opinion, _: opinion.update(start_job="ingest.run_daily"),
        "parrot": _parrot,
        "obedient": _obey,
        "decorating": _decorate,
        "confessing": _confess,
    }
)
