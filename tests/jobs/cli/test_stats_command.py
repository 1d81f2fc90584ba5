"""`kaboom jobs stats` shows each queue beside all of them."""

import orjson
import pytest

from kaboom.jobs.api.view import AllStats
from kaboom.web.routers import example_of
from tests.fixtures.cli import Kaboom, Scripted


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("ingest", "total", "completed", "messages that wait")),
        ("ja", ("一部失敗 partial", "待機中のメッセージ")),
    ],
)
def test_each_state_has_a_line(kaboom: Kaboom, scripted: Scripted, language: str, words: tuple[str, ...]) -> None:
    scripted.answers.append((200, orjson.dumps(example_of(AllStats))))
    out = kaboom("--lang", language, "jobs", "stats").out
    assert all(word in out for word in words), out
    assert [line.split()[-2:] for line in out.splitlines() if "completed" in line] == [["41", "41"]]
