"""`kaboom jobs chunks` shows the runs of each chunk, in the words of the reader."""

import orjson
import pytest

from kaboom.jobs.api.examples import CHUNK_PAGE
from tests.fixtures.cli import Kaboom, Scripted

WAITING = {"n": "16", "state": "queued", "interval": "1m", "items": 46, "settled": 0, "failed": 0, "attempts": 0}
PAGE = CHUNK_PAGE | {"items": [*CHUNK_PAGE["items"], WAITING | {"error": "", "runs": []}]}
HOSTILE = "\x1b[31m\u202e" + "x" * 10_000


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("expired", "16:00:12", "16:00:32", "queued", "paused 2025-11-04 16:00:33 to 16:00:45 JST: the provi")),
        ("ja", ("リース切れ expired", "待機中 queued", "スロット", "休止 2025-11-04 16:00:33")),
    ],
)
def test_each_run_has_a_line(kaboom: Kaboom, scripted: Scripted, language: str, words: tuple[str, ...]) -> None:
    scripted.answers.append((200, orjson.dumps(PAGE)))
    out = kaboom("--lang", language, "jobs", "chunks", "a" * 32, "--state", "done").out
    assert all(word in out for word in words), out
    assert len([line for line in out.splitlines() if line.strip()[:2] in {"15", "16"}]) == 3


def test_text_of_a_reason_is_only_text(kaboom: Kaboom, scripted: Scripted) -> None:
    (chunk,) = CHUNK_PAGE["items"]
    runs = [run | {"reason": HOSTILE} for run in chunk["runs"]]
    scripted.answers.append((200, orjson.dumps(CHUNK_PAGE | {"items": [chunk | {"runs": runs}]})))
    out = kaboom("jobs", "chunks", "a" * 32).out
    assert "\x1b" not in out
    assert "\u202e" not in out
