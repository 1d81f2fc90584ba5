"""The combinations of a sweep: each has a number, so that a chunk names its trials by numbers alone."""

import random
from collections.abc import Callable, Mapping
from typing import Any

from kaboom.backtest.request import Scalar, SweepRequest, count_combinations
from kaboom.errors import InvalidRequest


def combination(choices: Mapping[str, tuple[Scalar, ...]], number: int) -> dict[str, Scalar]:
    """Return the parameters of a combination; the last parameter changes fastest."""
    found: dict[str, Scalar] = {}
    for name, values in reversed(tuple(choices.items())):
        number, place = divmod(number, len(values))
        found[name] = values[place]
    return {name: found[name] for name in choices}


def find_trials(request: SweepRequest, parse: Callable[[Mapping[str, Any]], object]) -> tuple[int, ...]:
    """Return the numbers of the combinations to try, ascending, without those that `parse` rejects.

    If fewer are requested than there are, they are drawn at random, by the seed.

    Raises:
        InvalidRequest: no combination is allowed.

    """
    size, wanted = count_combinations(request.parameters), request.trials
    numbers = range(size)
    if wanted is not None and wanted < size:
        numbers = random.Random(request.seed).sample(numbers, min(size, 4 * wanted))  # type: ignore[assignment]  # noqa: S311 (no secret)
    found, refused = list[int](), None
    for number in numbers:
        if wanted is not None and len(found) == wanted:
            break
        try:
            parse(combination(request.parameters, number))
        except InvalidRequest as e:
            refused = e
        else:
            found.append(number)
    if not found:
        raise refused or InvalidRequest("parameters had no combination", pointer="/parameters")
    return tuple(sorted(found))
