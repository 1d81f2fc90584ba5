"""`kaboom providers` shows which sources are on, their limits, and which are paused."""

from typing import Any

import orjson
import pytest

from kaboom.operations.providers import ProviderList
from kaboom.web.routers import example_of
from tests.fixtures.cli import Kaboom, Scripted
from tests.fixtures.providers.fake_jquants import API_KEY, jquants_server
from tests.fixtures.providers.provider_faults import say_status

(JQUANTS,) = example_of(ProviderList)["items"]


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


@pytest.mark.parametrize(
    ("language", "values", "words"),
    [
        ("en", {"requests_per_minute": 60, "is_adjusted": False}, {"60/min", "traded"}),
        ("en", {"requests_per_minute": None, "requests_per_second": 5, "is_adjusted": True}, {"5/s", "split-adjusted"}),
        ("ja", {"requests_per_minute": 60, "is_adjusted": False}, {"毎分60回", "未調整"}),
        ("ja", {"requests_per_minute": None, "requests_per_second": 5, "is_adjusted": True}, {"毎秒5回", "調整後"}),
    ],
)
def test_a_provider_says_its_limit_and_whether_its_prices_are_adjusted(
    kaboom: Kaboom, scripted: Scripted, language: str, values: dict[str, Any], words: set[str]
) -> None:
    answer(scripted, **values)
    assert words <= set(kaboom("--lang", language, "providers").out.split())


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
    assert kaboom("providers", "--json").json == example_of(ProviderList)


def test_a_real_api_names_every_provider(at_live: Kaboom) -> None:
    done = at_live("providers")
    assert done.code == 0
    assert {"synthetic", "file", "jquants"} <= set(done.out.split())


def test_a_provider_is_tested_with_the_settings_of_this_machine(
    kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch
) -> None:
    # At J-Quants' own limit, the 22 questions would take as many seconds.
    monkeypatch.setenv("KABOOM_PROVIDER_REQUESTS_PER_MINUTE", "jquants=6000")
    with jquants_server() as fake:
        monkeypatch.setenv("JQUANTS_BASE_URL", fake.url)
        monkeypatch.setenv("JQUANTS_API_KEY", API_KEY)
        good = kaboom("providers", "test", "jquants", "--json")
        fake.faults_by_code["72030"] = say_status(403, "no minutes in this plan")
        bad = kaboom("providers", "test", "jquants")
    found = good.json
    assert isinstance(found, dict)
    assert good.code == 0
    assert [each["question"] for each in found["items"][:3]] == ["symbols", "sessions", "bars"]
    assert {each["outcome"] for each in found["items"]} == {"ok"}
    assert bad.code == 7
    assert "3 of 11 questions failed" in bad.err
    assert "minutes are an add-on" in bad.out
    assert API_KEY not in bad.out + bad.err


def test_a_provider_that_lacks_its_key_is_not_asked(kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JQUANTS_API_KEY", raising=False)
    done = kaboom("providers", "test", "jquants")
    assert (done.code, done.out) == (2, "")
    assert "JQUANTS_API_KEY is not set" in done.err
    assert "supported are" in kaboom("providers", "test", "nasdaq").err
