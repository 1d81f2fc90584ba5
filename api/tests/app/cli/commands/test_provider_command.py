"""`kaboom providers` shows which sources are on, their limits, and which are paused."""

from typing import Any

import orjson
import pytest

from app.overview.examples import PROVIDERS
from tests.app.cli.conftest import Kaboom, Scripted

(JQUANTS,) = PROVIDERS["items"]


def answer(scripted: Scripted, **values: Any) -> None:
    scripted.answers.append((200, orjson.dumps({"items": [JQUANTS | values]})))


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ("jquants", "paused (default)", "60", "1m, 5m")), ("ja", ("休止中 paused", "データ提供元"))],
)
def test_a_paused_provider_says_until_when_and_why(
    kaboom: Kaboom, scripted: Scripted, language: str, words: tuple[str, ...]
) -> None:
    answer(scripted)
    done = kaboom("--lang", language, "providers")
    assert all(word in done.out for word in words), done.out
    assert "jquants answered 429" in done.err
    assert "2025-11-04 16:05:00" in done.err


def test_a_provider_that_is_off_says_what_it_lacks(kaboom: Kaboom, scripted: Scripted) -> None:
    answer(scripted, is_on=False, is_default=False, is_paused=False, lacking="set JQUANTS_API_KEY")
    done = kaboom("providers")
    assert "off" in done.out.split()
    assert "JQUANTS_API_KEY" in done.out
    assert done.err == ""


def test_unknown_pauses_are_not_called_none(kaboom: Kaboom, scripted: Scripted) -> None:
    answer(scripted, is_paused=None, paused_until=None, pause_reason=None, requests_per_minute=None, concurrency=None)
    done = kaboom("providers")
    assert "unknown" in done.err
    assert "None" not in done.out


def test_json_is_the_answer_of_the_api(kaboom: Kaboom, scripted: Scripted) -> None:
    answer(scripted)
    assert kaboom("providers", "--json").json == PROVIDERS


def test_a_real_api_names_every_provider(at_live: Kaboom) -> None:
    done = at_live("providers")
    assert done.code == 0
    assert {"synthetic", "file", "jquants"} <= set(done.out.split())
