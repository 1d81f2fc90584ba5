"""`kaboom jobs dead` lists what was given up, in the words of the reader."""

import orjson
import pytest

from kaboom.operations.dead_letters import DeadLetterPage
from kaboom.web.routers import example_of
from tests.fixtures.cli import Kaboom, Scripted


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("23/46", "2025-11-04 16:01:12", "given up after 3 attempts")),
        ("ja", ("23/46", "再試行のジョブ")),
    ],
)
def test_a_chunk_that_was_given_up_has_a_line(
    kaboom: Kaboom, scripted: Scripted, language: str, words: tuple[str, ...]
) -> None:
    scripted.answers.append((200, orjson.dumps(example_of(DeadLetterPage))))
    out = kaboom("--lang", language, "jobs", "dead").out
    assert all(word in out for word in words), out
    assert example_of(DeadLetterPage)["items"][0]["job_id"] in out


def test_no_dead_letters_are_reported(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((200, orjson.dumps({"items": [], "next_cursor": None})))
    assert "no chunk was given up" in kaboom("jobs", "dead", "--all", "--queue", "ingest").err
