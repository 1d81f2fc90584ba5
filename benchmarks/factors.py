"""The measures of a factor beside alphalens, where a Python with it is given: 1,650 symbols, 1,250 sessions.

Usage: python benchmarks/factors.py [--peers PYTHON] [--quick] [--json]

Four horizons, five quantiles, with holes. Both must find the same mean information coefficients. Exits with 1 if
alphalens takes less than 20 times as long; the goal needs PYTHON.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from benchmarks.rig.goals import Goal, report  # noqa: E402
from kaboom.backtest.engine.arrays import Floats, carry_forward  # noqa: E402
from kaboom.backtest.factors.measures import measure_factor  # noqa: E402

HORIZONS, QUANTILES = (1, 5, 10, 20), 5


def make_market(sessions: int, symbols: int) -> tuple[Floats, Floats]:
    """Return a factor, the change over 20 sessions, and closes; 2 % of the bars are missing."""
    draw = np.random.default_rng(34)
    closes = 1000 * np.exp(np.cumsum(draw.normal(0, 0.02, (sessions, symbols)), axis=0))
    factor = np.full(closes.shape, np.nan)
    factor[20:] = closes[20:] / closes[:-20] - 1
    holes = draw.random(closes.shape) < 0.02
    closes[holes] = factor[holes] = np.nan
    return factor, carry_forward(closes)


def measure(sessions: int, peer: str | None) -> dict[str, float]:
    """Return the seconds of both; those of the peer only with one."""
    factor, closes = make_market(sessions, 1650)
    taken = []
    for _ in range(5):
        begun = time.perf_counter()
        found = measure_factor(factor, closes, horizons=HORIZONS, quantiles=QUANTILES)
        taken.append(time.perf_counter() - begun)
    row = {"seconds": min(taken)}
    if peer:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "market.npz"
            np.savez(path, factor=factor, closes=closes)
            script = ROOT / "benchmarks/rig/factor_peer.py"
            done = subprocess.run([peer, str(script), str(path)], capture_output=True, check=True, text=True)
        theirs = json.loads(done.stdout.splitlines()[-1])
        np.testing.assert_allclose([each.ic_mean for each in found.horizons], theirs["ic_mean"], rtol=1e-9)
        row |= {"alphalens_seconds": theirs["seconds"], "ratio": theirs["seconds"] / row["seconds"]}
    return row


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", metavar="PYTHON", help="a Python that has alphalens-reloaded")
    parser.add_argument("--quick", action="store_true", help="250 sessions in place of 1,250")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    row = measure(250 if arguments.quick else 1250, arguments.peers)
    goals = [Goal("times as fast as alphalens", row["ratio"], least=20)] if arguments.peers else []
    sys.exit(report({"factors": row}, goals, as_json=arguments.json))
