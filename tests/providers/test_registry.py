"""The registry is plain data: the API reads it and starts fast."""

import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from pydantic import BaseModel

from kaboom.domain_settings import CommonSettings
from kaboom.errors import InvalidRequest
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.base import Capabilities
from kaboom.providers.registry import (
    check_has_master,
    get_provider_spec,
    get_source_spec,
    ingest_command,
    master_names,
    provider_names,
    provider_specs,
)
from kaboom.providers.spec import ProviderParts, ProviderSettings

if TYPE_CHECKING:
    from kaboom.providers.limiter.rate_limiter import RateLimiter


def test_registry_imports_neither_numpy_nor_polars() -> None:
    script = (
        "import sys, kaboom.providers.registry as r; r.get_provider_spec('synthetic');"
        "print([m for m in ('numpy', 'polars', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_settings_of_providers_have_names_of_their_own() -> None:
    models: list[type[BaseModel]] = [CommonSettings, *(spec.settings for spec in provider_specs())]
    fields = [name for model in models for name in model.model_fields]
    variables = [str(field.validation_alias) for model in models for field in model.model_fields.values()]
    assert len(set(fields)) == len(fields)
    assert len(set(variables)) == len(variables)
    assert "None" not in variables


def test_required_settings_are_fields_that_lack_a_value() -> None:
    for spec in provider_specs():
        for required in spec.required:
            assert spec.settings.model_fields[required.field].default in {None, False}, (spec.name, required.field)


def test_every_build_function_exists_in_the_provider_s_folder() -> None:
    for spec in provider_specs():
        module, _, function = spec.build.partition(":")
        assert module.startswith(f"kaboom.providers.{spec.name}.")
        assert callable(getattr(import_module(module), function))


def test_the_default_comes_first_and_unknown_names_are_answered_with_all() -> None:
    assert provider_names() == ("synthetic", "file", "jquants", "yahoo")
    assert [spec.name for spec in provider_specs()] == list(provider_names())
    with pytest.raises(InvalidRequest, match=r"^provider was 'x{20}', supported are synthetic, file, jquants, yahoo$"):
        get_provider_spec("x" * 21)
    assert get_source_spec("synthetic_from_1m").name == "synthetic_from_1m"
    assert not get_source_spec("synthetic_from_1m").is_real


def test_only_a_provider_with_a_list_of_issues_is_taken_for_one() -> None:
    assert master_names() == ("jquants",)
    assert check_has_master("jquants").has_master
    with pytest.raises(InvalidRequest, match="provider was yahoo, which has no symbol master, supported are jquants;"):
        check_has_master("yahoo")


@pytest.mark.parametrize(
    ("source", "symbols", "command"),
    [
        ("yahoo", (), "--provider yahoo --interval 1d=250"),
        ("yahoo", ("7203", "6758"), "--provider yahoo --interval 1d=250 --symbol 7203 --symbol 6758"),
        ("synthetic_from_1m", (), "--provider synthetic --interval 1m=250"),
        ("file", ("SPY",), "--provider file --all --symbol SPY"),
        ("yahoo", tuple("123456"), f"--provider yahoo --interval 1d=250{''.join(f' --symbol {n}' for n in '12345')}"),
    ],
)
def test_a_command_takes_bars_of_the_first_symbols_from_their_origin(
    source: str, symbols: tuple[str, ...], command: str
) -> None:
    assert ingest_command(source, Interval.D1, 250, symbols) == f"kaboom ingest run-daily --wait {command}"


def test_a_symbol_is_read_as_its_provider_knows_it() -> None:
    jquants, file = get_provider_spec("jquants"), get_provider_spec("file")
    assert (jquants.is_tse, file.is_tse) == (True, False)
    assert [jquants.parse_symbol(text) for text in ("7203", "72030", "TOPIX")] == ["7203", "7203", "^0000"]
    assert file.parse_symbol("BRK.B") == "BRK.B"
    with pytest.raises(InvalidRequest):
        jquants.parse_symbol("BRK.B")
    stocks = replace(jquants, capabilities=replace(jquants.capabilities, markets=frozenset({Market.TSE_PRIME})))
    with pytest.raises(InvalidRequest):
        stocks.parse_symbol("TOPIX")


@pytest.mark.parametrize("limit", ["requests_per_minute", "requests_per_second", "concurrency"])
def test_a_provider_with_any_limit_has_limits(limit: str) -> None:
    free = replace(get_provider_spec("synthetic"), capabilities=Capabilities(frozenset(), frozenset()))
    assert not free.has_limits
    assert replace(free, capabilities=Capabilities(frozenset(), frozenset(), **{limit: 1})).has_limits  # type: ignore[arg-type]


def test_limits_of_a_minute_and_of_a_second_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="expected one of them"):
        Capabilities(frozenset(), frozenset(), requests_per_minute=1, requests_per_second=1)


def test_a_setting_that_is_lacking_is_named_with_its_advice() -> None:
    spec = next(spec for spec in provider_specs() if spec.required)
    required = spec.required[0]
    variable = spec.settings.model_fields[required.field].validation_alias
    for value, state in ((None, "set"), (False, "true")):
        lacking = spec.find_lacking(SimpleNamespace(**{required.field: value}))
        assert lacking == f"provider was {spec.name} and {variable} is not {state}: {required.hint}"
    assert spec.find_lacking(SimpleNamespace(**{each.field: "x" for each in spec.required})) is None


@pytest.mark.parametrize(("concurrency", "connections"), [(None, 8), (1, 8), (8, 8), (9, 9)])
def test_a_connection_is_kept_for_each_request_at_once_and_eight_at_least(
    concurrency: int | None, connections: int
) -> None:
    parts = ProviderParts(ProviderSettings(), Path(), Path(), cast("RateLimiter", None), concurrency)
    assert parts.connections == connections
