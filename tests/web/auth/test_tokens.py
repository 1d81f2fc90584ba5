"""INGEST_API_TOKEN holds one or more tokens: each is valid, all are the same caller, and none is shown."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kaboom.errors import ConfigurationError
from kaboom.main import create_app
from kaboom.web.auth.tokens import (
    ApiToken,
    IngestTokens,
    make_api_token,
    make_ingest_token,
    parse_api_token,
    parse_ingest_tokens,
    read_api_token,
    read_bearer,
)
from tests.fixtures.jobs.apps import JOBS, RUN_DAILY, client_of, memory_settings, running

OLD, NEW, OTHER = "an-old-token-of-the-tests", "a-new-token-of-the-tests", "another-token-altogether"
DRY_RUN = {"intervals": {"1m": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}


@asynccontextmanager
async def two_callers(tmp_path: Path, **values: Any) -> AsyncIterator[tuple[httpx2.AsyncClient, httpx2.AsyncClient]]:
    """Give a caller with the old token and one with the new, of an API that accepts both."""
    settings = memory_settings(tmp_path, ingest_api_token=f"{NEW} {OLD}", **values)
    async with running(settings) as app, client_of(app) as one, client_of(app) as other:
        one.headers["x-ingest-token"], other.headers["x-ingest-token"] = OLD, NEW
        yield one, other


@pytest.mark.anyio
async def test_each_token_is_valid_and_no_other(tmp_path: Path) -> None:
    async with two_callers(tmp_path) as (one, other):
        assert [(await caller.get(JOBS)).status_code for caller in (one, other)] == [200, 200]
        for wrong in (OTHER, f"{NEW} {OLD}", f"{OLD} {NEW}", NEW[:-1], f"{NEW}{OLD}", ""):
            assert (await one.get(JOBS, headers={"x-ingest-token": wrong})).status_code == 401


@pytest.mark.anyio
async def test_both_tokens_share_jobs_and_idempotency_keys(tmp_path: Path) -> None:
    async with two_callers(tmp_path) as (one, other):
        key = {"Idempotency-Key": "the-same"}
        first = await one.post(RUN_DAILY, json=DRY_RUN, headers=key)
        again = await other.post(RUN_DAILY, json=DRY_RUN, headers=key)
        assert (again.status_code, again.headers["idempotency-replayed"]) == (202, "true")
        assert again.json()["job_id"] == first.json()["job_id"]
        assert (await other.get(first.headers["location"])).status_code == 200


@pytest.mark.anyio
async def test_both_tokens_share_cursors(tmp_path: Path) -> None:
    async with two_callers(tmp_path) as (one, other):
        for symbol in ("7203", "6758"):
            await one.post(RUN_DAILY, json=DRY_RUN | {"symbols": [symbol]})
        page = (await one.get(JOBS, params={"limit": 1})).json()
        rest = await other.get(JOBS, params={"cursor": page["next_cursor"]})
        assert (rest.status_code, len(rest.json()["items"])) == (200, 1)


@pytest.mark.anyio
async def test_both_tokens_share_one_rate_limit(tmp_path: Path) -> None:
    async with two_callers(tmp_path, rate_limit_read="3/hour") as (one, other):
        answers = [await caller.get(JOBS) for caller in (one, other, one, other)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]


@pytest.mark.anyio
@pytest.mark.parametrize("given", [OLD, NEW, OTHER, "x", "", None])
async def test_every_token_is_compared_whichever_matches(monkeypatch: pytest.MonkeyPatch, given: str | None) -> None:
    lengths: list[tuple[int, int]] = []
    compare = hmac.compare_digest

    def noted(a: bytes, b: bytes) -> bool:
        lengths.append((len(a), len(b)))
        return compare(a, b)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    headers = {b"x-ingest-token": given.encode()} if given is not None else {}
    assert (await IngestTokens((NEW, OLD)).authenticate(headers) is not None) is (given in {OLD, NEW})
    assert lengths == [(32, 32), (32, 32)]


@pytest.mark.parametrize("text", [NEW, f"{NEW}\n", f" {NEW}  {OLD}\n", f"{NEW}\t{OLD}", "x" * 16, " ".join([NEW] * 4)])
def test_white_space_separates_tokens(text: str) -> None:
    assert parse_ingest_tokens(text) == tuple(text.split())


ODD = {
    " ": "held 0 tokens, expected 1 to 4",
    "\n\t": "held 0 tokens, expected 1 to 4",
    " ".join([NEW] * 5): "held 5 tokens, expected 1 to 4",
    "hush-hush-hush!": "token 1 of 1 was not 16 or more visible ASCII characters",
    f"{NEW} hush": "token 2 of 2 was not 16 or more visible ASCII characters",
    # A phrase was one token in an earlier release.
    "correct horse battery staple": "token 1 of 4 was not 16 or more visible ASCII characters",
    f"合言葉-{NEW}": "token 1 of 1 was not 16 or more visible ASCII characters",
    f"{NEW}\x7f": "token 1 of 1 was not 16 or more visible ASCII characters",
}


@pytest.mark.parametrize("text", ODD)
def test_an_invalid_token_stops_the_start_and_is_not_shown(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        create_app(memory_settings(tmp_path, ingest_api_token=text))
    assert raised.value.message.startswith("INGEST_API_TOKEN")
    assert ODD[text] in raised.value.message
    assert [word for word in text.split() if word in raised.value.message] == []


def test_a_new_token_is_valid() -> None:
    made = make_ingest_token()
    assert parse_ingest_tokens(f"{made} {make_ingest_token()}")[0] == made
    assert len(made) == 43


@pytest.mark.parametrize(
    ("value", "token"),
    [
        (b"Bearer abc", b"abc"),
        (b"bearer abc", b"abc"),
        (b"BEARER  abc ", b"abc"),
        (b"Bearerabc", b""),
        (b"Basic abcdef", b""),
        (b"abc", b""),
        (b"Bearer ", b""),
    ],
)
def test_the_word_bearer_comes_before_a_token_in_any_case(value: bytes, token: bytes) -> None:
    assert read_bearer({b"authorization": value}) == token


def test_an_api_token_is_read_from_either_header_and_in_its_form_alone() -> None:
    made, other = make_api_token(), make_api_token()
    mine, theirs = made.text.encode(), other.text.encode()
    assert made.token_id != other.token_id
    known = ApiToken(made.token_id, hashlib.sha256(mine).hexdigest())
    assert parse_api_token(mine) == known
    assert replace(made, text="") == known
    for headers in (
        {b"x-ingest-token": mine, b"authorization": b"Bearer " + theirs},
        {b"authorization": b"bearer " + mine},
    ):
        assert read_api_token(headers) == known
    assert read_api_token({b"x-ingest-token": b"of the operator", b"authorization": b"Bearer " + mine}) == known
    for odd in (mine[:-1], mine + b"x", b" " + mine, mine.replace(b"kbm_", b"kbn_"), mine.upper(), b""):
        assert parse_api_token(odd) is None
    assert read_api_token({}) is None
    assert mine.decode() not in repr(made)


def test_a_token_is_known_by_its_mark_and_no_other_is() -> None:
    tokens = IngestTokens((NEW, OLD))
    for token in (NEW, OLD):
        mark = tokens.mark_of(token.encode())
        assert len(mark) == 32
        assert tokens.find_marked(mark) == tokens.find(token.encode()) is not None
    for mark in (IngestTokens((OTHER,)).mark_of(OTHER.encode()), tokens.mark_of(NEW.encode())[:-1], ""):
        assert tokens.find_marked(mark) is None
