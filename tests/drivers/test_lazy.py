"""What is built on first use is built once, off the loop, and again only where it failed."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kaboom.drivers.lazy import Lazy, import_lazily

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.anyio


async def test_it_is_built_once_for_all_who_wait_and_not_by_the_loop() -> None:
    threads: list[int] = []

    def build() -> list[int]:
        threads.append(threading.get_ident())
        return threads

    lazy = Lazy(build)
    assert threads == []
    found = await asyncio.gather(*(lazy.get() for _ in range(5)))
    assert all(one is threads for one in found)
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_a_failure_is_tried_again() -> None:
    answers: Iterator[Exception | int] = iter([ZeroDivisionError("no"), 7])

    def build() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    lazy = Lazy(build)
    with pytest.raises(ZeroDivisionError):
        await lazy.get()
    assert [await lazy.get(), await lazy.get()] == [7, 7]


def test_libcurl_is_loaded_with_the_first_request() -> None:
    script = """
import sys
import kaboom.bars.open_provider, kaboom.jobs.callbacks.webhooks
from kaboom.drivers.http.curl import new_handle
print("pycurl._pycurl" in sys.modules)
new_handle().close()
print("pycurl._pycurl" in sys.modules)
"""
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    said = subprocess.run([sys.executable, "-c", script], check=True, env=env, capture_output=True, text=True).stdout
    assert said.split() == ["False", "True"]


def test_a_module_is_loaded_on_first_use_and_a_missing_one_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    module = import_lazily("colorsys")
    assert "rgb_to_hsv" not in object.__getattribute__(module, "__dict__")
    assert module.rgb_to_hsv(0, 0, 0) == (0.0, 0.0, 0)
    assert import_lazily("colorsys") is module
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        import_lazily("no_such_module")
