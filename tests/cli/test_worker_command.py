"""`kaboom workers` shows who works on what, in the words of the reader."""

import orjson
import pytest

from kaboom.operations.workers import WorkerList
from kaboom.web.routers import example_of
from tests.fixtures.cli import Kaboom, Scripted


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("online", "1/4", "393 MiB", "ingest, market_data", "2025-11-04 14:58", "16:00:34", "16:00:32")),
        ("ja", ("稼働中 online", "1/4", "393 MiB", "ワーカー", "最終報告")),
    ],
)
def test_a_worker_has_a_line_and_so_has_each_chunk(
    kaboom: Kaboom, scripted: Scripted, language: str, words: tuple[str, ...]
) -> None:
    scripted.answers.append((200, orjson.dumps(example_of(WorkerList))))
    out = kaboom("--lang", language, "workers").out
    assert all(word in out for word in words), out
    assert example_of(WorkerList)["items"][0]["chunks"][0]["job_id"] in out


def test_unreported_facts_are_empty(kaboom: Kaboom, scripted: Scripted) -> None:
    (item,) = example_of(WorkerList)["items"]
    bare = item | {"memory_bytes": None, "started_at": None, "host": None, "queues": [], "chunks": [], "state": "lost"}
    scripted.answers.append((200, orjson.dumps({"items": [bare]})))
    out = kaboom("workers").out
    assert "lost" in out
    assert "None" not in out


def test_without_workers_it_says_how_to_start_one(kaboom: Kaboom, scripted: Scripted) -> None:
    scripted.answers.append((200, orjson.dumps({"items": []})))
    assert "kaboom worker" in kaboom("workers").err
