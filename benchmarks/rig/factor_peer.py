"""Times alphalens on the matrices of a file; `benchmarks/factors.py` runs it in a Python that has alphalens."""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
from alphalens import performance, plotting, utils  # type: ignore[import-not-found]

HORIZONS, QUANTILES = (1, 5, 10, 20), 5


def main() -> None:
    """Print the seconds of the report, and its mean information coefficients."""
    warnings.simplefilter("ignore")
    held = np.load(sys.argv[1])
    days = pd.bdate_range("2015-01-05", periods=len(held["factor"]))
    names = [f"s{n:04d}" for n in range(held["factor"].shape[1])]
    factor, closes = (pd.DataFrame(held[name], days, names) for name in ("factor", "closes"))
    values = factor.stack().dropna()  # noqa: PD013 (a series with two levels)
    values.index.names = ["date", "asset"]
    sys.stdout = sys.stderr
    begun = time.perf_counter()
    data = utils.get_clean_factor_and_forward_returns(values, closes, quantiles=QUANTILES, periods=HORIZONS, max_loss=1)
    ic = performance.factor_information_coefficient(data)
    plotting.plot_information_table(ic, return_df=True)
    performance.mean_return_by_quantile(data)
    for horizon in HORIZONS:
        performance.factor_rank_autocorrelation(data, horizon)
        for quantile in range(1, QUANTILES + 1):
            performance.quantile_turnover(data["factor_quantile"], quantile, horizon)
    seconds = time.perf_counter() - begun
    sys.stdout = sys.__stdout__
    print(json.dumps({"seconds": seconds, "ic_mean": ic.mean().tolist()}))


if __name__ == "__main__":
    main()
