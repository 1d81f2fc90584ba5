"""The five queues are the same in the catalog, in the worker's command, and wherever the docs write that command."""

import re

import pytest

from kaboom.catalog import CATALOG
from kaboom.cli.stack.whole import WORKER_OPTIONS
from kaboom.jobs.model import Queue
from tests.fixtures.repo.repository import load_changelog, load_text

#: As the tour gives it, on one line.
COMMAND = (
    "celery -A app.tasks.celery_app worker --loglevel=info"
    " --queues=ingest,ai_analysis,backtest,market_data,notifications --concurrency=4 --prefetch-multiplier=1"
)
PING = "celery -A app.tasks.celery_app inspect ping"


def test_the_worker_command_names_exactly_our_queues() -> None:
    (queues,) = re.findall(r"--queues=(\S+)", COMMAND)
    assert queues.split(",") == [queue.value for queue in Queue]


def test_our_own_workers_have_the_options_of_the_documented_command() -> None:
    assert COMMAND.startswith(" ".join(("celery -A app.tasks.celery_app worker", *WORKER_OPTIONS)) + " ")


@pytest.mark.parametrize("page", ["docs/tutorial/tour.md", "docs/tutorial/tour.ja.md", "docs/reference/queues.md"])
def test_the_docs_print_the_worker_commands(page: str) -> None:
    text = re.sub(r"\s*\\\n\s*", " ", load_text(page))
    assert COMMAND in text
    assert PING in text


def test_the_reference_page_lists_queues_and_tasks() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \|", load_text("docs/reference/queues.md"), re.MULTILINE)
    tasks = {queue: [n for s in CATALOG if s.queue is queue for n in (s.name, queue.chunk_name)] for queue in Queue}
    listed = {queue: set(re.findall(r"`([^`]+)`", cell)) for queue, cell in rows}
    assert listed == {queue.value: set(named) for queue, named in tasks.items()}, (
        "name each task in the row of its queue in docs/reference/queues.md"
    )


def test_a_task_is_named_after_its_queue() -> None:
    assert [spec.name for spec in CATALOG if not spec.name.startswith(f"{spec.queue}.")] == []


def test_the_page_of_schedules_lists_the_tasks_that_may_be_scheduled() -> None:
    head = load_text("docs/reference/schedules.md").partition("; `request`")[0]
    named = set(re.findall(r"`(\w+\.\w+)`", head))
    assert named == {job_type.name for job_type in CATALOG if job_type.is_schedulable}, (
        "name each task with `is_schedulable` at the top of docs/reference/schedules.md"
    )


def test_the_changelog_names_each_task() -> None:
    told = load_changelog()
    missing = {spec.name for spec in CATALOG if not re.search(rf"\b(?:{spec.name}|{spec.verb})\b", told)}
    # It is what sends notifications, and told as that.
    assert missing == {"notifications.deliver"}, "say what is new for users in a file of changes/"
