"""Asking OpenRouter for opinions: within a budget and a deadline, with retries, never twice for the same content."""

import asyncio
import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Self

import orjson
import structlog

from kaboom.analysis.checks.judge import MOST_BYTES, judge_answer
from kaboom.analysis.facts.model import Facts, clean_text
from kaboom.analysis.models.spending import Denied, InFlight, Kept, Question, Settlement, Spending
from kaboom.analysis.models.terms import MOST_TOKENS, ModelTerms
from kaboom.analysis.prompt import Prompt
from kaboom.analysis.report import Answer, Ending
from kaboom.drivers.clock import utc_now
from kaboom.drivers.http.client import HttpClient
from kaboom.drivers.http.reply import Reply
from kaboom.drivers.retry import backoff_s, parse_retry_after

PATH = "/chat/completions"
#: Statuses after which a retry may succeed; with any status but 200 nothing was generated, and nothing is billed.
_PASSING = frozenset({408, 429, 500, 502, 503, 504, 520, 522, 524, 529})
OUT_OF_CREDIT = 402
#: No call costs a million dollars.
_MOST_COST = 10**12


@dataclass(frozen=True, slots=True)
class TryResult:
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


def read_reply(reply: Reply) -> TryResult:
    """Parse an answer; anything that is not as documented is a failure, and never a text."""
    if reply.status is None:
        # A request that was never sent is free and may be repeated; the cost of any other is unknown.
        never_left = reply.failure.startswith("could not connect")
        return TryResult(cost=0 if never_left else None, failure=reply.failure, may_pass=never_left)
    values = _parse(reply.body)
    if reply.status != 200:
        words = f"the server answered {reply.status}: {_find_message(values)}".rstrip(": ")
        return TryResult(
            cost=0,
            failure=words,
            may_pass=reply.status in _PASSING,
            retry_after_s=parse_retry_after(reply.headers, utc_now()),
            is_out_of_credit=reply.status == OUT_OF_CREDIT,
        )
    usage = _mapping(values.get("usage"))
    known = TryResult(
        model=clean_text(str(values.get("model") or "")),
        cost=_read_cost(usage.get("cost")),
        prompt_tokens=_read_count(usage.get("prompt_tokens")),
        completion_tokens=_read_count(usage.get("completion_tokens")),
    )
    return _read_choice(values, known)


def _read_choice(values: dict[str, Any], known: TryResult) -> TryResult:
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


_MOST_TRIES = 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
#: The seconds between two checks whether another caller's question of the same content was answered.
_LOOK_S = 0.5
#: How long no model is asked after the account has run out of credit.
BREAKER_S = 3600.0
_MOST_BYTES = 1 << 20

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks the models of some terms for a job."""

    terms: ModelTerms
    spending: Spending
    job_id: str

    async def ask_all(self, prompt: Prompt, facts: Facts) -> tuple[Answer, ...]:
        """Return the answer of each chain of models, in their order; a failure of a model is an answer, not raised.

        Raises:
            StoreError: the spending could not be recorded.

        """
        chains = self.terms.chains
        return tuple(await asyncio.gather(*(self._ask(prompt, facts, chain) for chain in chains)))

    def most_cost(self, prompt: Prompt) -> int:
        """Return the most micro-dollars that all opinions on a prompt cost, without retries."""
        return sum(self.terms.most_cost(build_body(prompt, chain, self.terms)) for chain in self.terms.chains)

    async def _ask(self, prompt: Prompt, facts: Facts, chain: Sequence[str]) -> Answer:
        body = build_body(prompt, chain, self.terms)
        asking = _Asking(self, body, prompt.version, chain[0])
        settled = await asking.run()
        answer = replace(asking.answer, latency_ms=asking.elapsed_ms())
        if settled is None:
            return answer
        answer = replace(
            answer,
            model=settled.model or chain[0],
            prompt_tokens=settled.prompt_tokens,
            completion_tokens=settled.completion_tokens,
        )
        judged = judge_answer(settled.text or "", facts)
        if judged.opinion is None:
            return replace(answer, ending=Ending.REFUSED, reason=judged.words)
        return replace(answer, ending=Ending.USED, opinion=judged.opinion, reason="")


class _Asking:
    """One question, over its tries."""

    def __init__(self, asker: Asker, body: bytes, version: str, model: str) -> None:
        self._terms, self._spending = asker.terms, asker.spending
        self._body = body
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._question = Question(
            key=hashlib.sha256(version.encode() + b"\0" + body).hexdigest(),
            job_id=asker.job_id,
            model=model,
            prompt_version=version,
            most=asker.terms.most_cost(body),
            for_s=asker.terms.deadline_s + 5,
        )
        #: Seconds of waiting for another caller's answer to the same question; they extend the deadline.
        self._waited_s = 0.0
        #: The answer if there is no text to judge.
        self.answer = Answer(model, Ending.NOT_ASKED, reason="there was no time left")

    def elapsed_ms(self) -> int:
        return round((self._loop.time() - self._began_at) * 1000)

    async def run(self) -> Settlement | None:
        """Return the settled call with the text of an answer; None if there is no text: `answer` has the reason."""
        while self.answer.tries < _MOST_TRIES and self._left_s() > 0:
            found = await self._spending.reserve(self._question, self._terms.budget)
            if isinstance(found, Kept):
                return self._take(found.settlement)
            if isinstance(found, Denied):
                # The reason of an earlier try says more.
                if not self.answer.tries:
                    self.answer = replace(self.answer, reason=found.reason)
                return None
            if isinstance(found, InFlight):
                await asyncio.sleep(_LOOK_S)
                self._waited_s += _LOOK_S
                continue
            result = await self._try(found.call_id)
            if result.text is not None:
                return self._settled(result)
            if not result.may_pass or not await self._pause(result):
                return None
        return None

    def _take(self, kept: Settlement) -> Settlement | None:
        """Return an answer that was already paid; None if that call gave no answer, and may have been paid."""
        reason = "" if kept.text is not None else f"the same was asked before, and may have been paid: {kept.reason}"
        self.answer = replace(self.answer, is_kept=True, ending=Ending.FAILED, reason=reason)
        return None if reason else kept

    async def _try(self, call_id: str) -> TryResult:
        """Make one call and settle it; a call that is interrupted stays reserved."""
        began_at, left_s = self._loop.time(), max(self._left_s(), 0.1)
        # A reused connection might send the request again by itself, and both would be paid.
        client = HttpClient(self._terms.base_url, timeout_s=left_s, max_bytes=_MOST_BYTES, connections=1)
        try:
            reply = await client.post(PATH, self._body, params={}, headers=build_headers(self._terms))
        finally:
            await client.close()
        result = read_reply(reply).without(self._terms.key)
        cost = self._question.most if result.cost is None else result.cost
        self.answer = replace(
            self.answer,
            ending=Ending.FAILED,
            reason=result.failure,
            cost=self.answer.cost + cost,
            tries=self.answer.tries + 1,
        )
        latency_ms = round((self._loop.time() - began_at) * 1000)
        await self._spending.settle(call_id, replace(self._settled(result), cost=cost, latency_ms=latency_ms))
        if result.is_out_of_credit and await self._spending.open_breaker(result.failure, for_s=BREAKER_S):
            _log.warning("ai_breaker_opened", reason=result.failure, for_s=BREAKER_S)
        return result

    def _settled(self, result: TryResult) -> Settlement:
        return Settlement(
            cost=result.cost or 0,
            model=result.model or self._question.model,
            text=result.text,
            prompt_tokens=result.prompt_tokens,
            completion_tokens=result.completion_tokens,
            reason=result.failure,
        )

    async def _pause(self, result: TryResult) -> bool:
        """Wait before the next try; return False if there is no time for one."""
        if self.answer.tries >= _MOST_TRIES:
            return False
        grown_s = backoff_s(self.answer.tries - 1, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
        pause_s = max(grown_s, result.retry_after_s or 0.0)
        if pause_s >= self._left_s():
            return False
        await asyncio.sleep(pause_s)
        return True

    def _left_s(self) -> float:
        waited_s = min(self._waited_s, self._question.for_s)
        return self._began_at + self._terms.deadline_s + waited_s - self._loop.time()
