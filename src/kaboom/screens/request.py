"""The request of the job that runs a saved screen; importable without polars, since the API checks it."""

from typing import Annotated

from pydantic import Field

from kaboom.drivers.request import Request
from kaboom.market.fields import WHOLE, Day

#: The name of a screen: it is a part of paths.
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$", max_length=40)]
#: How many symbols a result names: as many as an analysis takes.
MOST_NAMED = 20


class ScreenRequest(Request):
    """Which saved screen to run, and for which session."""

    screen: Name = Field(description="the name of the screen")
    session: Day | None = Field(default=None, description="the session; default: newest closed")
    limit: Annotated[int, Field(ge=1, le=200), WHOLE] = Field(
        default=MOST_NAMED, description="how many of the symbols that passed the result names, by turnover"
    )
