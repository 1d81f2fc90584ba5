"""The limits of a provider: its own, those of the settings, and the rate limiter built from them."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from kaboom.bars.open_provider import build_provider
from kaboom.domain_settings import BatchSettings
from kaboom.errors import ConfigurationError, InvalidRequest
from kaboom.providers.limiter import port
from kaboom.providers.limiter.port import Limits, parse_limits
from kaboom.providers.limiter.rate_limiter import RateLimitedProvider
from kaboom.providers.registry import get_provider_spec


def test_a_provider_on_this_machine_has_none() -> None:
    assert parse_limits("synthetic", "", "") == Limits()
    assert not isinstance(build_provider(BatchSettings(), "synthetic"), RateLimitedProvider)


def test_the_settings_win_for_the_provider_that_they_name() -> None:
    assert parse_limits("synthetic", "file=9  synthetic=120", "synthetic=off file=2") == Limits(requests=120)
    assert parse_limits("file", "file=9 synthetic=120", "synthetic=off file=2") == Limits(requests=9, concurrency=2)


def test_a_provider_may_be_limited_by_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = get_provider_spec("synthetic")
    slow = replace(spec, capabilities=replace(spec.capabilities, requests_per_second=5))
    monkeypatch.setattr(port, "get_provider_spec", lambda _: slow)
    assert slow.has_limits
    assert parse_limits("synthetic", "", "") == Limits(requests=5, window_s=1.0)
    # A setting is for a minute, and takes the place of both.
    assert parse_limits("synthetic", "synthetic=120", "synthetic=2") == Limits(requests=120, concurrency=2)
    assert parse_limits("synthetic", "synthetic=off", "") == Limits()
    with pytest.raises(ValueError, match="expected one of them"):
        replace(slow.capabilities, requests_per_minute=60)


def test_a_provider_with_limits_is_rate_limited() -> None:
    settings = BatchSettings(provider_requests_per_minute="synthetic=120")
    provider = build_provider(settings, "synthetic")
    assert isinstance(provider, RateLimitedProvider)
    assert provider.name == "synthetic"


def test_a_limit_of_an_unknown_provider_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="provider bloomberg, supported are synthetic, file"):
        parse_limits("synthetic", "bloomberg=9", "")
    with pytest.raises(InvalidRequest):
        parse_limits("bloomberg", "", "")


@pytest.mark.parametrize("text", ["60", "synthetic=0", "synthetic=-1", "synthetic=many", "synthetic=1,file=2"])
def test_what_is_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        BatchSettings(provider_concurrency=text)


@pytest.mark.parametrize(("at_once", "symbols"), [(None, 10), (1, 10), (2, 10), (3, 24), (16, 50), (64, 128)])
def test_who_may_ask_more_at_once_is_given_more_symbols_a_call(at_once: int | None, symbols: int) -> None:
    capabilities = get_provider_spec("yahoo").capabilities.asked_at_once(at_once)
    assert capabilities.symbols_per_fetch == symbols
    assert capabilities.concurrency == (at_once or 2)
