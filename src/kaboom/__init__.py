"""Kaboom in Python: bars of Japanese equities as polars frames, and jobs, backtests and portfolios.

::

    import kaboom

    kb = kaboom.connect()
    bars = kb.bars(["7203", "6758"], "1d", start="2025-01-01")
    kb.submit("ingest.run_daily", intervals={"1m": 1}, market="TSE_PRIME").wait(progress=True)

`connect` finds the Kaboom that runs here, or takes a URL and a token; without a server it reads a data folder or a
mirror. `connect_async` gives the same for asyncio.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kaboom.client.aio import AsyncJob, AsyncKaboom
    from kaboom.client.backtests import Backtest
    from kaboom.client.client import Kaboom
    from kaboom.client.connection import connect, connect_async
    from kaboom.client.frames import to_pandas
    from kaboom.client.jobs import Job
    from kaboom.client.portfolios import Portfolio
    from kaboom.errors import (
        Conflict,
        Forbidden,
        InvalidRequest,
        JobFailed,
        KaboomError,
        NeedsServer,
        NotAuthorized,
        NotFound,
        StoreError,
        TooManyRequests,
        Unavailable,
        WaitTimedOut,
    )

#: Loaded with the first use of a name, lightest first: an import of kaboom costs next to nothing.
_HOMES = (
    "errors",
    *(f"client.{name}" for name in ("connection", "frames", "client", "jobs", "portfolios", "backtests", "aio")),
)

__all__ = [
    "AsyncJob",
    "AsyncKaboom",
    "Backtest",
    "Conflict",
    "Forbidden",
    "InvalidRequest",
    "Job",
    "JobFailed",
    "Kaboom",
    "KaboomError",
    "NeedsServer",
    "NotAuthorized",
    "NotFound",
    "Portfolio",
    "StoreError",
    "TooManyRequests",
    "Unavailable",
    "WaitTimedOut",
    "connect",
    "connect_async",
    "to_pandas",
]


def __getattr__(name: str) -> Any:
    """Load the home of a name."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    modules = (import_module(f"kaboom.{home}") for home in _HOMES)
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def __dir__() -> list[str]:
    """Return the names."""
    return __all__
