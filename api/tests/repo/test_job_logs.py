"""The events that a job's log may hold and those of the reference page are the same."""

import ast
import re
from collections.abc import Iterator

from tests.fixtures.repository import load_modules, load_text

_LEVELS = {"debug", "info", "warning", "error"}
#: They tell of a queue, and name no job.
_OF_NO_JOB = {"sweep_failed", "chunks_sent_again", "history_in_memory"}


def events_of_the_code() -> set[str]:
    """Every event that the job core logs, and the one that a log writes of itself."""
    modules = [m for m in load_modules("api/app/tasks") if not m.name.endswith("/celery_app.py")]
    return {event for m in modules for event in _events_in(m.tree)} | {"lines_dropped"}


def _events_in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        is_log = node.func.attr in _LEVELS and ast.unparse(node.func.value) in {"_log", "log"}
        if is_log and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def test_the_reference_page_lists_every_event() -> None:
    documented = re.findall(r"^\| `([a-z_]+)` \|", load_text("docs/reference/job-logs.md"), re.MULTILINE)
    assert sorted(documented) == sorted(events_of_the_code() - _OF_NO_JOB)
