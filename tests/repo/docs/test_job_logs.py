"""The events that a job's log may hold and those of the reference page are the same."""

import ast
import re
from collections.abc import Iterator

from tests.fixtures.repo.repository import Module, load_modules, load_text

_LEVELS = {"debug", "info", "warning", "error"}
#: Here the job is bound to every line; elsewhere a line names it.
_BOUND = {
    "app/engine/run/ends.py",
    "app/engine/run/keeper.py",
    "app/engine/run/worker.py",
    "app/engine/settle.py",
    "batch/backtest/engine/kernel_build.py",
    "batch/bars/coverage/fetch_log.py",
    "batch/bars/influx/line_writer.py",
    "batch/bars/influx/refused.py",
    "batch/bars/influx/wire.py",
    "batch/ingest/records.py",
    "batch/ingest/repeats.py",
    "batch/ingest/window.py",
    "batch/providers/jquants/bulk.py",
    "batch/providers/limiter/rate_limiter.py",
    "batch/scripts/run_refresh_symbols.py",
}


def events_of_the_code() -> set[str]:
    """Every event of a job that the job core and its stores log, and the one that a log writes of itself."""
    rings = (
        "api/app/engine",
        "api/app/tasks",
        "api/batch/backtest",
        "api/batch/bars",
        "api/batch/ingest",
        "api/batch/providers",
        "api/batch/scripts",
    )
    modules = [module for ring in rings for module in load_modules(ring)]
    return {event for m in modules for event in _events_in(m)} | {"lines_dropped"}


def _events_in(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        is_log = node.func.attr in _LEVELS and ast.unparse(node.func.value) in {"_log", "log"}
        is_of_job = module.name.removeprefix("api/") in _BOUND or any(
            keyword.arg == "job_id" for keyword in node.keywords
        )
        if is_log and is_of_job and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def test_the_reference_page_lists_every_event() -> None:
    documented = re.findall(r"^\| `([a-z_]+)` \|", load_text("docs/reference/job-logs.md"), re.MULTILINE)
    assert sorted(documented) == sorted(events_of_the_code())
