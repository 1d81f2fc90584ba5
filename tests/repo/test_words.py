"""Modules are named by what they hold, and Celery's ways that lose or double work are not used."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.fixtures.repo.repository import ROOT, load_modules

NO_NAME = re.compile(r"(^|_)(utils?|helpers?|common|managers?|misc|base_service)(_|$)")
#: Words that the glossary replaces: bar, interval, symbol, roll-up, paused. A provider may speak its own language.
NO_WORD = re.compile(r"(^|_)(candles?|klines?|timeframes?|tickers?|resampl\w*|blocked)(_|$)", re.IGNORECASE)
#: Below these rooms nothing knows of Celery, and a queue or a context variable has a `get` of its own.
_BELOW = ("bars", "drivers", "providers")
HELD_IN_MEMORY = "a delayed message is held unacknowledged in a worker's memory: lost with it, or run twice"


def celery_sins(tree: ast.Module) -> Iterator[str]:
    """Yield what decision 0003 forbids."""
    awaited = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Await)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "celery":
            yield from (
                f"import of {a.name}" for a in node.names if a.name in {"chord", "chain", "group", "AsyncResult"}
            )
        if isinstance(node, ast.Attribute) and node.attr == "AsyncResult":
            yield "AsyncResult cannot tell an unknown job from a waiting one"
        if isinstance(node, ast.Call):
            yield from _call_sins(node, is_awaited=id(node) in awaited)


def _call_sins(call: ast.Call, *, is_awaited: bool) -> Iterator[str]:
    if {"countdown", "eta"} & {keyword.arg for keyword in call.keywords}:
        yield f"countdown or eta: {HELD_IN_MEMORY}"
    if isinstance(call.func, ast.Name) and call.func.id == "chord":
        yield "chord: it never ends once one header task is lost"
    if not isinstance(call.func, ast.Attribute):
        return
    if call.func.attr == "retry" and ast.unparse(call.func.value) in {"self", "task", "cls", "self.request"}:
        yield f"task.retry: {HELD_IN_MEMORY}"
    # A result's get() blocks; a dictionary's has a key, and a queue's is awaited.
    if call.func.attr == "get" and not call.args and not is_awaited:
        yield "get() of a result blocks for as long as the broker likes"


def test_modules_are_named_by_what_they_hold() -> None:
    python = [path.relative_to(ROOT) for top in ("src", "tests") for path in (ROOT / top).rglob("*.py")]
    parts = {part.removesuffix(".py") for path in python for part in path.parts}
    assert sorted(part for part in parts if NO_NAME.search(part)) == []


def test_code_speaks_the_words_of_the_glossary() -> None:
    named = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    names = {
        f"{module.name}: {name}"
        for module in load_modules("src/kaboom")
        if "/providers/" not in module.name
        for node in ast.walk(module.tree)
        for name in [node.name if isinstance(node, named) else node.arg if isinstance(node, ast.arg) else ""]
        if NO_WORD.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))
    }
    assert names == set()


def test_no_celery_call_that_loses_or_doubles_work() -> None:
    modules = [module for module in load_modules("src/kaboom") if module.name.split("/")[2] not in _BELOW]
    assert {m.name: sins for m in modules if (sins := list(celery_sins(m.tree)))} == {}


@pytest.mark.parametrize(
    "sin",
    [
        "task.apply_async(countdown=3)",
        "signature.set(eta=now)",
        "self.retry(exc=e)",
        "chord(tasks)(body)",
        "from celery import chord",
        "from celery.result import AsyncResult",
        "app.AsyncResult(job_id)",
        "result.get(timeout=3)",
    ],
)
def test_a_planted_call_is_caught(sin: str) -> None:
    assert list(celery_sins(ast.parse(sin)))


@pytest.mark.parametrize("virtue", ["await jobs.retry(job)", "await waiting.get()", "run.get('x')", "jobs.retry(job)"])
def test_a_harmless_call_is_not(virtue: str) -> None:
    assert not list(celery_sins(ast.parse(virtue)))
