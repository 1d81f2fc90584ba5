"""Four processes that need the compiled kernel at once: one compiles it, for half a minute, and the others wait."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from kaboom.backtest.engine.kernel_cache import is_built, kernel_folder
from tests.backtest.test_kernel_build import CACHE, hits_and_misses, program


def test_one_of_four_processes_compiles_and_the_others_use_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    with ExitStack() as stack:
        processes = [stack.enter_context(program()) for _ in range(4)]
        said = [process.stdout.read() for process in processes if process.stdout]
    assert sorted(said) == ["", "", "", "compiled the fill model of backtests\n"]
    folder = kernel_folder()
    assert folder is not None
    assert is_built(folder)
    assert hits_and_misses() == ["1 0"] * 3
