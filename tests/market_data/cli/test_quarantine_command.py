"""`kaboom bars quarantine` lists rejected rows with the reason, in the words of the reader."""

from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from kaboom.market_data.examples import QUARANTINE
from tests.fixtures.cli import Kaboom, Scripted


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("2025-11-04 18:00", "7203", "3,140.0", "52,300", "off_grid")),
        ("ja", ("2025-11-04 18:00", "立会時間外の時刻 off_grid", "終値", "理由")),
    ],
)
def test_a_rejected_row_has_a_line_with_its_reason(
    kaboom: Kaboom, scripted: Scripted, language: str, words: tuple[str, ...]
) -> None:
    scripted.answers.append((200, orjson.dumps(QUARANTINE)))
    done = kaboom("--lang", language, "bars", "quarantine")
    assert all(word in done.out for word in words), done.out
    assert "off_grid 1" in done.err


def test_filters_are_those_of_the_route(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((200, orjson.dumps(QUARANTINE | {"items": []})))
    filters = ("--session", "2025-11-04", "--symbol", "", "--reason", "off_grid", "--source", "yahoo", "--limit", "7")
    done = kaboom("bars", "quarantine", "--interval", "1d", *filters)
    assert "no row was rejected" in done.err
    (path, _, _), *_ = scripted.seen
    assert parse_qs(urlsplit(path).query, keep_blank_values=True) == {
        "interval": ["1d"], "limit": ["7"], "session": ["2025-11-04"], "symbol": [""], "reason": ["off_grid"],
        "provider": ["yahoo"],
    }  # fmt: skip


def test_a_row_without_time_and_prices_is_shown(kaboom: Kaboom, scripted: Scripted) -> None:
    (row,) = QUARANTINE["items"]
    bare = row | dict.fromkeys(("session", "opened_at", "open", "high", "low", "close", "volume")) | {"symbol": ""}
    scripted.answers.append((200, orjson.dumps(QUARANTINE | {"items": [bare], "next_cursor": "abc"})))
    done = kaboom("bars", "quarantine")
    assert "off_grid" in done.out
    assert "None" not in done.out
    assert "--cursor abc" in done.err


def test_a_row_of_a_file_names_the_file_and_the_line(kaboom: Kaboom, scripted: Scripted) -> None:
    (row,) = QUARANTINE["items"]
    scripted.answers += [(200, orjson.dumps(QUARANTINE | {"items": [row, row | {"file": "a/7203.csv", "line": 17}]}))]
    assert "a/7203.csv:17" in kaboom("bars", "quarantine").out


def test_json_is_the_answer_of_the_api(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((200, orjson.dumps(QUARANTINE)))
    assert kaboom("bars", "quarantine", "--json").json == QUARANTINE


def test_a_real_api_has_no_rejected_row_of_an_empty_store(at_live: Kaboom) -> None:
    done = at_live("bars", "quarantine")
    assert (done.code, done.out) == (0, "")
    assert "synthetic 1m: no row was rejected" in done.err
    assert at_live("bars", "quarantine", "--reason", "BAD").code != 0
