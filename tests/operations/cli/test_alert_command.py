"""`kaboom alerts` shows what to look at and the command to begin with."""

import orjson
import pytest

from kaboom.operations.routes import AlertList
from kaboom.web.routers import example_of
from tests.fixtures.cli import Kaboom, Scripted


@pytest.mark.parametrize(("language", "word"), [("en", "page"), ("ja", "要対応 page")])
def test_an_alert_has_a_line_with_its_command(kaboom: Kaboom, scripted: Scripted, language: str, word: str) -> None:
    scripted.answers.append((200, orjson.dumps(example_of(AlertList) | {"unknown": ["no_worker"]})))
    done = kaboom("--lang", language, "alerts")
    assert word in done.out
    assert "TSE_PRIME" in done.out
    assert "no_worker" in done.err


def test_the_absence_of_alerts_is_reported(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((200, orjson.dumps(example_of(AlertList) | {"items": []})))
    assert "nothing needs attention" in kaboom("alerts").err


def test_unknown_is_not_called_well(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((200, orjson.dumps(example_of(AlertList) | {"items": [], "unknown": ["queue_old"]})))
    assert "nothing needs" not in kaboom("alerts").err
