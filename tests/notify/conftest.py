"""The stores of notifications that the contract tests run on."""

from collections.abc import AsyncIterator

import pytest

from kaboom.notify.model import Notifications
from tests.fixtures.notifications.rules import memory_notifications, postgres_notifications


@pytest.fixture(params=["memory", "postgres"])
async def stores(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[Notifications]:
    """Empty stores of notifications."""
    if request.param == "memory":
        yield memory_notifications()
        return
    async with postgres_notifications(request.getfixturevalue("database_url")) as opened:
        yield opened
