"""`kaboom bars quarantine` lists rejected rows with the reason, in the words of the reader."""

from urllib.parse import parse_qs, urlsplit

import orjson

from kaboom.market_data.schemas import QuarantinePage
from kaboom.web.routers import example_of
from tests.fixtures.cli import Kaboom, Scripted


def test_filters_are_those_of_the_route(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((200, orjson.dumps(example_of(QuarantinePage) | {"items": []})))
    filters = ("--session", "2025-11-04", "--symbol", "", "--reason", "off_grid", "--source", "yahoo", "--limit", "7")
    done = kaboom("bars", "quarantine", "--interval", "1d", *filters)
    assert "no row was rejected" in done.err
    (path, _, _), *_ = scripted.seen
    assert parse_qs(urlsplit(path).query, keep_blank_values=True) == {
        "interval": ["1d"], "limit": ["7"], "session": ["2025-11-04"], "symbol": [""], "reason": ["off_grid"],
        "provider": ["yahoo"],
    }  # fmt: skip


def test_a_real_api_has_no_rejected_row_of_an_empty_store(at_live: Kaboom) -> None:
    done = at_live("bars", "quarantine")
    assert (done.code, done.out) == (0, "")
    assert "synthetic 1m: no row was rejected" in done.err
    assert at_live("bars", "quarantine", "--reason", "BAD").code != 0
