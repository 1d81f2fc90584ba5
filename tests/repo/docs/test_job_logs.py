"""The events that a job's log may hold and those of the reference page are the same."""

import ast
import re
from collections.abc import Iterator

from tests.fixtures.repo.repository import Module, load_modules, load_text

_LEVELS = {"debug", "info", "warning", "error"}
#: Here the job is bound to every line; elsewhere a line names it.
_BOUND = {
    "src/kaboom/jobs/engine/run/completion.py",
    "src/kaboom/jobs/engine/run/heartbeat.py",
    "src/kaboom/jobs/engine/run/worker.py",
    "src/kaboom/jobs/engine/settle.py",
    "src/kaboom/backtest/engine/kernel_build.py",
    "src/kaboom/bars/coverage/fetch_log.py",
    "src/kaboom/bars/influx/line_writer.py",
    "src/kaboom/bars/influx/wire.py",
    "src/kaboom/ingest/window.py",
    "src/kaboom/providers/jquants/bulk.py",
    "src/kaboom/providers/limiter/rate_limiter.py",
    "src/kaboom/market_data/refresh_symbols.py",
}


def events_of_the_code() -> set[str]:
    """Every event of a job that the job core and its stores log, and the one that a log writes of itself."""
    rings = (
        "src/kaboom/jobs/engine",
        "src/kaboom/worker",
        "src/kaboom/backtest",
        "src/kaboom/bars",
        "src/kaboom/ingest",
        "src/kaboom/providers",
        "src/kaboom/market_data",
    )
    modules = [module for ring in rings for module in load_modules(ring)]
    return {event for m in modules for event in _events_in(m)} | {"lines_dropped"}


def _events_in(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        is_log = node.func.attr in _LEVELS and ast.unparse(node.func.value) in {"_log", "log"}
        is_of_job = module.name in _BOUND or any(keyword.arg == "job_id" for keyword in node.keywords)
        if is_log and is_of_job and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def test_the_reference_page_lists_every_event() -> None:
    documented = re.findall(r"^\| `([a-z_]+)` \|", load_text("docs/reference/job-logs.md"), re.MULTILINE)
    assert sorted(documented) == sorted(events_of_the_code())
