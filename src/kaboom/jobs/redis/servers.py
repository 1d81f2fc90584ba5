"""What the live state and the messages have in common: both are on servers, or in the memory of a process."""

from collections.abc import Mapping
from typing import Protocol

from kaboom.drivers.redis.load import ServerLoad


class OnServers(Protocol):
    """The servers behind a part; without one the methods do nothing."""

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        """Return the load of each server by name."""
        ...

    async def check(self) -> None:
        """Raise ConfigurationError if a server may drop data, or is a node of a cluster."""
        ...

    async def try_write(self) -> None:
        """Raise StoreError unless every server accepts a small test write, which leaves no data."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class InMemory:
    """`OnServers` of a part in memory."""

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        return {}

    async def check(self) -> None:
        pass

    async def try_write(self) -> None:
        pass

    async def close(self) -> None:
        pass
