"""What the routes of one API process share, each by its type; `app.state` holds nothing else."""

from typing import Any

from fastapi import Depends, Request
from starlette.applications import Starlette


class Services:
    """The shared objects of an API process: stores, caches, limiters, streams."""

    def __init__(self) -> None:
        self._held: dict[type, Any] = {}

    def add(self, *services: object) -> None:
        """Share objects; one replaces an earlier one of exactly its type."""
        self._held |= {type(each): each for each in services}

    def find[S](self, kind: type[S]) -> S:
        """Return the object of exactly this type.

        Raises:
            KeyError: the API shares none.

        """
        found: S = self._held[kind]
        return found


def services_of(app: Starlette) -> Services:
    """Return what the routes of an API share."""
    services: Services = app.state.services
    return services


def service[S](kind: type[S]) -> Any:
    """Return the dependency on the shared object of a type, such as `service(EventHub)`."""

    # It is `async` because FastAPI runs a plain function in a thread, at 80 µs a request.
    async def find(request: Request) -> S:
        return services_of(request.app).find(kind)

    return Depends(find)
