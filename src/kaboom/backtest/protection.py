"""Stop-losses and take-profits of entries by weight."""

from typing import Annotated

from pydantic import Field

from kaboom.drivers.request import Request

_Distance = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]


class Protection(Request):
    """The distances of the stop and the target from the mean price of a position, as shares of it; None for none."""

    stop_loss: _Distance | None = None
    take_profit: _Distance | None = None


NO_PROTECTION = Protection()
