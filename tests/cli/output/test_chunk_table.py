"""`kaboom jobs chunks` shows the runs of each chunk, in the words of the reader."""

import orjson

from kaboom.jobs.api.chunks import ChunkPage
from kaboom.web.routers import example_of
from tests.fixtures.cli import Kaboom, Scripted

HOSTILE = "\x1b[31m\u202e" + "x" * 10_000


def test_text_of_a_reason_is_only_text(kaboom: Kaboom, scripted: Scripted) -> None:
    (chunk,) = example_of(ChunkPage)["items"]
    runs = [run | {"reason": HOSTILE} for run in chunk["runs"]]
    scripted.answers.append((200, orjson.dumps(example_of(ChunkPage) | {"items": [chunk | {"runs": runs}]})))
    out = kaboom("jobs", "chunks", "a" * 32).out
    assert "\x1b" not in out
    assert "\u202e" not in out
