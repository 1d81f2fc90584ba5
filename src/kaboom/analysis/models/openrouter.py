"""OpenRouter's chat completions: building requests, and parsing answers; pure."""

import base64
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Self

import orjson

from kaboom.analysis.checks.judge import MOST_BYTES
from kaboom.analysis.facts.model import clean_text
from kaboom.analysis.models.terms import MOST_TOKENS, ModelTerms
from kaboom.analysis.prompt import Prompt
from kaboom.drivers.clock import utc_now
from kaboom.drivers.http.reply import Reply
from kaboom.drivers.retry import parse_retry_after

PATH = "/chat/completions"
#: Statuses after which a retry may succeed; with any status but 200 nothing was generated, and nothing is billed.
_PASSING = frozenset({408, 429, 500, 502, 503, 504, 520, 522, 524, 529})
OUT_OF_CREDIT = 402
#: No call costs a million dollars.
_MOST_COST = 10**12


@dataclass(frozen=True, slots=True)
class Told:
    """The result of one try.

    Attributes:
        text: the text of the answer; None for an answer without text.
        cost: micro-dollars, rounded up; None if it is unknown: then the reserved amount counts.
        failure: why there is no text.
        may_pass: whether another try may help, and this one was not paid.
        is_out_of_credit: whether the account has no credit.

    """

    text: str | None = None
    model: str = ""
    cost: int | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    failure: str = ""
    may_pass: bool = False
    retry_after_s: float | None = None
    is_out_of_credit: bool = False

    def without(self, secret: str) -> Self:
        """Return the result without a secret in its texts; a text that is too long is cut, but is still refused."""
        hidden = {name: getattr(self, name).replace(secret, "[secret]") for name in ("model", "failure")}
        text = None if self.text is None else self.text.replace(secret, "[secret]")[: MOST_BYTES + 1]
        return replace(self, text=text, **hidden)


def build_body(prompt: Prompt, chain: Sequence[str], terms: ModelTerms) -> bytes:
    """Return the body of a request: no tools, a closed schema, no provider that keeps data or costs more."""
    shape = {"name": "opinion", "strict": True, "schema": prompt.schema}
    price = {"prompt": terms.prompt_price, "completion": terms.completion_price}
    body = {
        "model": chain[0],
        "models": list(chain),
        "messages": [{"role": "system", "content": prompt.system}, {"role": "user", "content": _content(prompt)}],
        "response_format": {"type": "json_schema", "json_schema": shape},
        "max_tokens": MOST_TOKENS,
        "temperature": 0,
        "provider": {"require_parameters": True, "data_collection": "deny", "max_price": price},
        "usage": {"include": True},
    }
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)


def _content(prompt: Prompt) -> str | list[dict[str, Any]]:
    if not prompt.picture:
        return prompt.user
    url = f"data:image/png;base64,{base64.b64encode(prompt.picture).decode()}"
    return [{"type": "text", "text": prompt.user}, {"type": "image_url", "image_url": {"url": url}}]


def build_headers(terms: ModelTerms) -> dict[str, str]:
    """Return the headers of a request."""
    return {"Authorization": f"Bearer {terms.key}", "Content-Type": "application/json", "X-Title": "Kaboom"}


def read_reply(reply: Reply) -> Told:
    """Parse an answer; anything that is not as documented is a failure, and never a text."""
    if reply.status is None:
        # A request that was never sent is free and may be repeated; the cost of any other is unknown.
        never_left = reply.failure.startswith("could not connect")
        return Told(cost=0 if never_left else None, failure=reply.failure, may_pass=never_left)
    values = _parse(reply.body)
    if reply.status != 200:
        words = f"the server answered {reply.status}: {_find_message(values)}".rstrip(": ")
        return Told(
            cost=0,
            failure=words,
            may_pass=reply.status in _PASSING,
            retry_after_s=parse_retry_after(reply.headers, utc_now()),
            is_out_of_credit=reply.status == OUT_OF_CREDIT,
        )
    usage = _mapping(values.get("usage"))
    known = Told(
        model=clean_text(str(values.get("model") or "")),
        cost=_read_cost(usage.get("cost")),
        prompt_tokens=_read_count(usage.get("prompt_tokens")),
        completion_tokens=_read_count(usage.get("completion_tokens")),
    )
    return _read_choice(values, known)


def _read_choice(values: dict[str, Any], known: Told) -> Told:
    if "error" in values:
        code = _mapping(values["error"]).get("code")
        failure = f"the server answered 200 with an error: {_find_message(values)}".rstrip(": ")
        is_broke, may_pass = code == OUT_OF_CREDIT, code in _PASSING and known.cost == 0
        return replace(known, failure=failure, may_pass=may_pass, is_out_of_credit=is_broke)
    choices = values.get("choices")
    choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
    ending, text = choice.get("finish_reason"), _mapping(choice.get("message")).get("content")
    if ending == "error":
        return replace(known, failure="the model ended with an error", may_pass=known.cost == 0)
    if ending == "length":
        return replace(known, failure="the answer was cut off at its longest length")
    if not isinstance(text, str) or not text:
        return replace(known, failure="the answer has no text")
    return replace(known, text=text)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        return _mapping(orjson.loads(body))
    except orjson.JSONDecodeError:
        return {}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _find_message(values: dict[str, Any]) -> str:
    return clean_text(str(_mapping(values.get("error")).get("message") or ""))


def _read_count(value: Any) -> int:
    return value if type(value) is int and 0 <= value < 10**9 else 0


def _read_cost(dollars: Any) -> int | None:
    if type(dollars) not in {int, float} or not math.isfinite(dollars) or dollars < 0:
        return None
    try:
        cost = math.ceil(Decimal(repr(dollars)) * 1_000_000)
    except InvalidOperation:
        return None
    return cost if cost < _MOST_COST else None
