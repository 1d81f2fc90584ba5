"""The report of a factor over stored bars."""

from kaboom.backtest.engine.arrays import LAST
from kaboom.backtest.factors.columns import compute_factor
from kaboom.backtest.factors.measures import HorizonMeasures, measure_factor
from kaboom.backtest.factors.request import FactorRequest
from kaboom.backtest.factors.result import FactorResult, HorizonView, QuantileView
from kaboom.backtest.study.bars import StudyBars
from kaboom.backtest.study.fingerprint import fingerprint_of
from kaboom.backtest.study.single import day_of
from kaboom.backtest.summary import finite
from kaboom.drivers.stop import ShouldStop, check_stop, never
from kaboom.errors import InvalidRequest


def report_factor(bars: StudyBars, request: FactorRequest, *, should_stop: ShouldStop = never) -> FactorResult:
    """Return the report of a factor; a symbol that leaves the market keeps its last close.

    Raises:
        InvalidRequest: no session has a value with its returns, or in none do the values differ enough.
        Stopped: `should_stop` turned true.

    """
    panel = bars.panel
    if max(request.horizons) >= panel.shape[0]:
        raise InvalidRequest(
            f"horizons had {max(request.horizons)} sessions, expected fewer than the {panel.shape[0]} of the bars",
            pointer="/horizons",
        )
    factor = compute_factor(panel, request.formula)
    check_stop(should_stop)
    closes = panel.prices[LAST] * panel.scale
    found = measure_factor(factor, closes, horizons=request.horizons, quantiles=request.quantiles)
    if not found.sessions:
        why = f"{found.tied} sessions have too many equal values" if found.tied else "no session has a value"
        raise InvalidRequest(f"expression could not be measured: {why}", pointer="/expression")
    asked = request.to_json() | {
        name: value for name, value in bars.request.to_json().items() if name in FactorRequest.model_fields
    }
    return FactorResult(
        expression=request.expression,
        provider=bars.request.source,
        first=day_of(panel, 0),
        last=day_of(panel, panel.shape[0] - 1),
        symbols=panel.shape[1],
        missing=len(bars.missing),
        sessions=found.sessions,
        tied=found.tied,
        values=found.values,
        horizons=[_view(each) for each in found.horizons],
        request=asked,
        fingerprint=fingerprint_of(bars),
    )


def _view(found: HorizonMeasures) -> HorizonView:
    names = ("ic_mean", "ic_deviation", "ic_t", "ic_t_overlap", "spread", "autocorrelation")
    columns = zip(found.returns, found.errors, found.turnover, strict=True)
    quantiles = [
        QuantileView(quantile=n, **finite({"mean_return": one, "error": error, "turnover": turnover}))
        for n, (one, error, turnover) in enumerate(columns, 1)
    ]
    numbers = finite({name: getattr(found, name) for name in names})
    return HorizonView(horizon=found.horizon, quantiles=quantiles, **numbers)
