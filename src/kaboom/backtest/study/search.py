"""Trials of a sweep that are chosen where earlier ones did well: Optuna's TPE over the combinations.

A round follows from the request and the trials before it, so that a search that was interrupted goes on to the same
trials.
"""

import math
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from kaboom.backtest.request import Scalar, SweepRequest
from kaboom.errors import InvalidRequest

#: Trials that are chosen together; those of a round do not know one another.
ROUND = 10
#: How often a round asks for each of its trials before it takes one that was drawn at random.
_ASKED = 5


def choose_trials(
    request: SweepRequest, tried: Mapping[int, float], drawn: Sequence[int], parse: Callable[[int], object]
) -> tuple[int, ...]:
    """Return the combinations of the next round by their numbers; none of them was tried.

    Args:
        request: of the sweep.
        tried: combination → what it is ranked by, in the order in which they ran.
        drawn: the combinations of the same sweep without a search, which are as many as its trials; a search that
            finds nothing new goes on with one of them.
        parse: raises `InvalidRequest` for a combination that is not allowed.

    """
    sizes, space = [len(values) for values in request.parameters.values()], _space_of(request)
    study = _study_of(request, tried, space)
    found: list[int] = []
    wanted = min(ROUND, len(drawn) - len(tried))
    for _ in range(_ASKED * wanted):
        if len(found) == wanted:
            break
        places = study.ask(space).params
        number = int(np.ravel_multi_index([int(places[name]) for name in request.parameters], sizes))
        if number not in tried and number not in found and _is_allowed(number, parse):
            found.append(number)
    rest = [number for number in drawn if number not in tried and number not in found]
    by_seed = random.Random(f"{request.seed}/{len(tried)}")  # noqa: S311 (no secret)
    return (*found, *by_seed.sample(rest, wanted - len(found)))


def _study_of(request: SweepRequest, tried: Mapping[int, float], space: Mapping[str, BaseDistribution]) -> optuna.Study:
    """Return a study of the trials so far; those without a number are failures."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # A seed of its own for each round, or each would draw the same at first.
        seed = (request.seed * 1_000_003 + len(tried)) % 2**32
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    sizes = [len(values) for values in request.parameters.values()]
    for number, value in tried.items():
        places = dict(zip(request.parameters, map(int, np.unravel_index(number, sizes)), strict=True))
        how: dict[str, Any] = {"value": value} if math.isfinite(value) else {"state": TrialState.FAIL}
        study.add_trial(create_trial(params=places, distributions=dict(space), **how))
    return study


def _space_of(request: SweepRequest) -> dict[str, BaseDistribution]:
    """Return the places of each parameter's values, as numbers where the values ascend, so that neighbours are near."""
    return {
        name: IntDistribution(0, len(values) - 1)
        if _is_ascending(values)
        else CategoricalDistribution(range(len(values)))
        for name, values in request.parameters.items()
    }


def _is_ascending(values: Sequence[Scalar]) -> bool:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return len(numbers) == len(values) and numbers == sorted(numbers)


def _is_allowed(number: int, parse: Callable[[int], object]) -> bool:
    try:
        parse(number)
    except InvalidRequest:
        return False
    return True
