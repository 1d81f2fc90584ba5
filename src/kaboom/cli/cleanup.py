"""Closes a store, a provider or other parts at the end of an `async with`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kaboom.drivers.open_sessions import Closable


@asynccontextmanager
async def closing[T: "Closable"](opened: T) -> AsyncIterator[T]:
    """Yield a store, a provider or other parts, and close them at the end."""
    try:
        yield opened
    finally:
        await opened.close()
