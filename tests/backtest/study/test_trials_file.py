"""The file of all trials of a sweep: its numbers are numbers."""

import io
from pathlib import Path

import polars as pl

from kaboom.backtest.request import SweepRequest
from kaboom.backtest.strategies.files import load_strategy_file
from kaboom.backtest.study.selection import SweepEnd, end_sweep
from kaboom.backtest.study.trials import TrialRunner, combination, dump_trials, find_trials, join_trials
from kaboom.backtest.study.windows import find_windows
from kaboom.drivers.stop import never
from tests.backtest.study.test_study import ASKED, load

SHIFTED = """
import numpy as np

class Strategy:
    def __init__(self, shift, word):
        self.shift = shift

    def targets(self, panel):
        return np.where(panel.adjusted("close") > 2000 * (1 + self.shift), 0.3, 0.0)
"""


def test_negative_parameters_are_numbers_and_words_are_no_formulas(tmp_path: Path) -> None:
    (tmp_path / "shifted.py").write_text(SHIFTED)
    kind = load_strategy_file(tmp_path / "shifted.py")
    choices = {"shift": [-0.02, 0, 0.02], "word": ["=1+1"]}
    request = SweepRequest.parse(ASKED | {"strategy": "shifted", "parameters": choices})
    bars, numbers = load(request), find_trials(request, kind.parse)
    runner = TrialRunner(bars.panel, find_windows(request, bars.panel), request, len(numbers))
    strategies = [kind.parse(combination(request.parameters, number)) for number in numbers]
    table = join_trials({"all": dump_trials(numbers, runner.run(strategies, never))})  # type: ignore[arg-type]
    content = end_sweep(SweepEnd(bars, kind, request, table)).files["trials.csv"]
    found = pl.read_csv(io.BytesIO(content))
    assert found["shift"].to_list() == [-0.02, 0.0, 0.02]
    assert found["word"].to_list() == ["'=1+1"] * 3
