"""The options of backtests become the fields of a request, each of them and no other."""

from typing import Any

import pytest

from kaboom.backtest.cli.local import name_of
from kaboom.backtest.cli.options import Given, keep_given, read_choices, read_model, read_parameters
from kaboom.cli.exits import CliError, Exit

FIELDS: dict[str, Any] = {
    "market": "TSE_PRIME",
    "first": "2025-01-06",
    "last": "2025-11-04",
    "sessions": 30,
    "cash": 5e6,
    "benchmark": "topix",
    "provider": "file",
    "seed": 7,
}


def test_without_options_a_request_has_the_interval_alone() -> None:
    assert Given().to_body() == {"interval": "1d"}


@pytest.mark.parametrize("name", FIELDS)
def test_each_option_is_a_field_of_its_name(name: str) -> None:
    assert Given(**{name: FIELDS[name]}).to_body() == {"interval": "1d", name: FIELDS[name]}


def test_options_of_other_names_are_fields_too() -> None:
    given = Given(symbol=["7203", "6758"], interval="1m", as_of="2025-11-04T09:00:00+09:00", short=True)
    assert given.to_body() == {
        "interval": "1m",
        "symbols": ["7203", "6758"],
        "as_of": "2025-11-04T09:00:00+09:00",
        "model": {"allows_short": True},
    }


def test_the_tax_is_that_of_japan() -> None:
    assert Given(tax=True).to_body()["model"] == {"tax_rate": 0.20315}


def test_a_fee_table_is_a_field_of_the_fees() -> None:
    assert Given(fee_table="matsui-box").to_body()["model"] == {"fees": {"table": "matsui-box"}}
    # The server refuses both.
    assert Given(fee_table="monex", fee=0.1).to_body()["model"] == {"fees": {"rate": 0.1, "table": "monex"}}


@pytest.mark.parametrize("name", ["sessions", "cash", "seed"])
def test_nothing_is_a_number_that_the_server_judges(name: str) -> None:
    values: dict[str, Any] = {name: 0}
    assert Given(**values).to_body() == {"interval": "1d", name: 0}


def test_what_was_not_given_is_left_out() -> None:
    kept = {"zero": 0, "none_of_it": 0.0, "empty": "", "yes": True}
    assert keep_given({"none": None, "list": [], "table": {}, "no": False} | kept) == kept


def test_a_fee_and_a_slippage_join_the_fields_of_the_fill_model() -> None:
    assert read_model(None, None, None, is_short=False) == {}
    assert read_model(None, 0.0, 0, is_short=False) == {"fees": {"rate": 0.0}, "slippage": {"ticks": 0}}
    texts = ["fees.fixed=100", "fees.rate=0.5", "volume-cap=0", "slippage.impact=0.1", "size_at=fill"]
    assert read_model(texts, 0.001, 2, is_short=True) == {
        "fees": {"fixed": 100, "rate": 0.001},
        "volume_cap": 0,
        "slippage": {"impact": 0.1, "ticks": 2},
        "size_at": "fill",
        "allows_short": True,
    }


@pytest.mark.parametrize("text", ["fast", "=5", "fast=", "="])
def test_a_pair_without_one_of_its_parts_is_refused_with_an_example(text: str) -> None:
    for read, option, such_as in (
        (read_parameters, "--param", "fast=10"),
        (read_choices, "--param", "fast=5,10,20 or slow=20:100:10"),
        (lambda texts: read_model(texts, None, None, is_short=False), "--model", "volume_cap=0 or fees.fixed=100"),
    ):
        with pytest.raises(CliError) as caught:
            read([text])
        message = f"{option} was {text!r}, expected NAME=VALUE such as {such_as}"
        assert (caught.value.code, caught.value.message) == (Exit.USAGE, message)


def test_a_table_of_fees_is_json() -> None:
    steps = read_model(["fees.steps=[[100000,99],[500000,275]]"], None, None, is_short=False)
    assert steps == {"fees": {"steps": [[100_000, 99], [500_000, 275]]}}
    with pytest.raises(CliError, match=r"--model was '\[\[1', expected JSON such as \[\[100000,99\],\[500000,275\]\]"):
        read_model(["fees.steps=[[1"], None, None, is_short=False)


def test_parameters_are_values_and_choices_are_lists_from_to_step() -> None:
    assert read_parameters(["fast=10", "stop-loss=0.05", "side=both"]) == {
        "fast": 10,
        "stop_loss": 0.05,
        "side": "both",
    }
    assert read_choices(["fast=5,10", "slow=20:40:10", "side=long"]) == {
        "fast": [5, 10],
        "slow": [20, 30, 40],
        "side": ["long"],
    }


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Mine-2.py", "mine_2"),
        ("folder/mine.py", "mine"),
        ("2mine.py", "strategy"),
        ("_mine.py", "strategy"),
        ("私の.py", "strategy"),
        ("sma_cross.py", "sma_cross_file"),
    ],
)
def test_a_file_gives_its_strategy_a_name_that_requests_take(file: str, name: str) -> None:
    assert name_of(file) == name
