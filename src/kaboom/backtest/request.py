"""The requests of a backtest and of a sweep; importable without numpy."""

import math
from collections import Counter
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, field_validator, model_validator

from kaboom.backtest.model import FillModel
from kaboom.backtest.strategies.parameters import PARAMETERS
from kaboom.backtest.strategies.settings import check_names
from kaboom.drivers.request import PlannedRequest, Request
from kaboom.errors import InvalidRequest
from kaboom.market.fields import WHOLE, Day, IntervalName, LookBack, MarketName, Moment
from kaboom.market.indices import is_index
from kaboom.market.interval import Interval
from kaboom.providers.registry import OfSource, SourceName, SourceSymbols, get_source_spec

#: The benchmark of the market: the index, or else the first of its largest funds that has bars.
TOPIX = "topix"
#: About five years.
DEFAULT_SESSIONS = 1250
DEFAULT_CASH = 10_000_000.0
#: At most this many combinations in a sweep.
MAX_TRIALS = 100_000
#: The most combinations of a grid from which some are drawn at random, or searched.
MAX_GRID = 10_000_000
#: At most this many trials of a search, each of which takes longer to choose than the one before.
MAX_SEARCHED = 2000

type Scalar = bool | int | float | str | None
Metric = Literal["sharpe", "total_return", "max_drawdown"]
Sampler = Literal["random", "tpe"]

#: The pattern of the name of a strategy.
STRATEGY_NAME = "^[a-z][a-z0-9_]{0,39}$"
_STRATEGY_SCHEMA = WithJsonSchema({"type": "string", "examples": list(PARAMETERS), "pattern": STRATEGY_NAME})
#: The name of a strategy of the registry, or of a file in the strategies folder of the workers.
StrategyName = Annotated[str, Field(pattern=STRATEGY_NAME), _STRATEGY_SCHEMA]
_PARAMETERS_SCHEMA = WithJsonSchema(
    {"type": "object", "anyOf": [kind.model_json_schema() for kind in PARAMETERS.values()]}
)
Parameters = Annotated[dict[str, Scalar], Field(max_length=20), _PARAMETERS_SCHEMA]
_Symbol = Annotated[str, Field(min_length=1, max_length=20)]


def _to_choices(value: Any) -> Any:
    """Turn a choice that is not a list into a list of one."""
    if not isinstance(value, dict):
        return value
    return {name: tuple(one) if isinstance(one, list) else (one,) for name, one in value.items()}


_CHOICES_SCHEMA = WithJsonSchema(
    {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 10,
        "additionalProperties": {"type": "array", "items": {"type": ["number", "string", "boolean"]}, "minItems": 1},
    }
)
_Values = Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=10_000)]
Choices = Annotated[
    dict[str, _Values], Field(min_length=1, max_length=10), BeforeValidator(_to_choices), _CHOICES_SCHEMA
]


class BarsAsked(OfSource, Request):
    """Which bars to test on, with which cash, and how orders are filled."""

    interval: IntervalName = Interval.D1
    provider: SourceName | None = Field(default=None, description="whose bars; default: KABOOM_PROVIDER")
    market: MarketName | None = Field(default=None, description="all symbols of a market that have bars")
    symbols: SourceSymbols | None = Field(default=None, description="only these; give either symbols or a market")
    sessions: LookBack = Field(default=DEFAULT_SESSIONS, description="look-back in sessions, unless `first` is given")
    first: Day | None = Field(default=None, description="the first day")
    last: Day | None = Field(default=None, description="the last session; default: newest closed")
    benchmark: _Symbol | None = Field(
        default=None,
        description="a symbol to compare with; `topix`: the index (`^0000`) or a fund of it (1306, 1305, 1475, 1348),"
        " the first of which bars are held; default: equal weights of the symbols, of buy_and_hold `topix` where bars"
        " are held",
    )
    cash: Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)] = Field(
        default=DEFAULT_CASH, description="yen before the first bar"
    )
    model: FillModel = Field(default=FillModel(), description="how orders are filled; docs/explanation/backtests.md")
    as_of: Moment | None = Field(
        default=None,
        description="bars, splits and lists as they were known at this time, with its zone, or at 00:00 in Japan of a"
        " day; default: when the job reads them, which its result's `request` says",
    )
    seed: Annotated[int, Field(ge=0, le=2**31 - 1), WHOLE] = Field(
        default=0, description="of what is drawn at random: trials of a sweep, a strategy of your own"
    )

    @property
    def is_index_preferred(self) -> bool:
        """Whether the run is compared with the index if its bars are stored, since no benchmark was named."""
        return False

    @property
    def decides_from(self) -> date | None:
        """The first day whose close decides, if bars before it only warm up the strategy."""
        return None

    @field_validator("symbols")
    @classmethod
    def _check_symbols(cls, symbols: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if indices := [symbol for symbol in symbols or () if is_index(symbol)]:
            message = f"symbols had {indices[0]}, an index, which cannot be bought: name it as the benchmark"
            raise InvalidRequest(message, pointer="/symbols")
        return symbols

    @field_validator("benchmark")
    @classmethod
    def _parse_benchmark(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is None or text.lower() == TOPIX:
            return text and TOPIX
        provider = info.data.get("provider")
        try:
            return get_source_spec(provider).parse_symbol(text) if provider else text
        except InvalidRequest as e:
            raise InvalidRequest(e.message, pointer="/benchmark") from e

    @model_validator(mode="after")
    def _check_scope(self) -> Self:
        if (self.symbols is None) is (self.market is None):
            raise InvalidRequest("symbols and market: expected one of them", pointer="/symbols")
        if self.first and self.last and self.first > self.last:
            message = f"first was {self.first} and last {self.last}, expected them in order"
            raise InvalidRequest(message, pointer="/first")
        return self


class BacktestRequest(BarsAsked):
    """Run one strategy over stored bars."""

    strategy: StrategyName = Field(description="its name; docs/how-to/backtest.md lists those that there are")
    parameters: Parameters = Field(default={}, description="of the strategy; default: its own")

    @property
    def is_index_preferred(self) -> bool:
        """Whether the run is compared with the index if its bars are stored: buying and holding, no benchmark named."""
        return self.benchmark is None and self.strategy == "buy_and_hold"

    @model_validator(mode="after")
    def _check_parameters(self) -> Self:
        if self.strategy in PARAMETERS:
            _check(self.strategy, self.parameters)
        return self


class SweepRequest(PlannedRequest, BarsAsked):
    """Run a strategy with every combination of some parameters, and keep the best."""

    strategy: StrategyName = Field(description="its name; docs/how-to/backtest.md lists those that there are")
    parameters: Choices = Field(description="parameter → the values to try")
    trials: Annotated[int, Field(ge=1, le=MAX_TRIALS), WHOLE] | None = Field(
        default=None, description="draw so many combinations by the seed; default: all"
    )
    sampler: Sampler = Field(
        default="random",
        description="how the `trials` are chosen: drawn, or `tpe`: where earlier ones did well, ten at a time, by"
        f" Optuna; {MAX_SEARCHED} at most",
    )
    keep: Annotated[int, Field(ge=1, le=100), WHOLE] = Field(default=20, description="how many of the best are kept")
    rank_by: Metric = "sharpe"
    out_of_sample: Annotated[float, Field(ge=0.05, le=0.9)] | None = Field(
        default=None,
        description="share of the bars, the last ones, that the choice does not see; the best are run on it",
    )
    folds: Annotated[int, Field(ge=2, le=20), WHOLE] | None = Field(
        default=None, description="walk forward: choose on the bars so far, test on the next part, so many times"
    )
    chunk_size: Annotated[int, Field(ge=1, le=5000), WHOLE] | None = Field(
        default=None, description="trials in a chunk; the result does not depend on it"
    )

    @model_validator(mode="after")
    def _check_sweep(self) -> Self:
        if self.out_of_sample is not None and self.folds is not None:
            raise InvalidRequest("out_of_sample and folds: expected one of them", pointer="/folds")
        _check_once(self.parameters)
        size = count_combinations(self.parameters)
        if size > (MAX_TRIALS if self.trials is None else MAX_GRID):
            most = MAX_TRIALS if self.trials is None else MAX_GRID
            raise InvalidRequest(f"parameters had {size} combinations, expected at most {most}", pointer="/parameters")
        self._check_search()
        if self.strategy in PARAMETERS:
            for name, values in self.parameters.items():
                for value in values:
                    _check_value(self.strategy, name, value)
        return self

    def _check_search(self) -> None:
        if self.sampler == "random":
            return
        if self.trials is None or self.trials > MAX_SEARCHED:
            most = MAX_SEARCHED
            raise InvalidRequest(f"sampler was tpe, which needs trials, of at most {most}", pointer="/trials")
        if self.folds is not None:
            message = (
                "sampler was tpe beside folds, expected random: a search sees all bars, also those of the tests;"
                " out_of_sample holds bars back from it"
            )
            raise InvalidRequest(message, pointer="/sampler")

    @property
    def is_search(self) -> bool:
        """Whether trials are chosen by those before; not if all combinations are run."""
        return self.sampler != "random" and (self.trials or 0) < count_combinations(self.parameters)


def count_combinations(choices: Mapping[str, tuple[Scalar, ...]]) -> int:
    """Return the number of combinations."""
    return math.prod(map(len, choices.values()))


def _check_once(choices: Mapping[str, tuple[Scalar, ...]]) -> None:
    """Refuse a value that is given twice: the same trial again counts as one more that was lucky."""
    for name, values in choices.items():
        value, times = Counter(values).most_common(1)[0]
        if times > 1:
            pointer = f"/parameters/{name[:40]}"
            raise InvalidRequest(f"{name[:40]} had {value!r} more than once, expected each value once", pointer=pointer)


def _check_value(strategy: str, name: str, value: Scalar) -> None:
    """Refuse a value that is invalid in every combination.

    An error at `/parameters` itself is about several parameters together, so other values of them may allow this one.
    Combinations with such an error are left out of the grid later.
    """
    try:
        _check(strategy, {name: value})
    except InvalidRequest as e:
        if e.pointer != "/parameters":
            raise


def _check(strategy: str, parameters: Mapping[str, Scalar]) -> None:
    kind = PARAMETERS[strategy]
    check_names(parameters, kind.model_fields)
    try:
        kind.parse(parameters)
    except InvalidRequest as e:
        message = f"/parameters{e.message}" if e.pointer else e.message
        raise InvalidRequest(message, pointer=f"/parameters{e.pointer}") from e
