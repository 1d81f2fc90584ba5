"""Check the request of a schedule like a submission, and return the request that the schedule stores."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from kaboom.catalog import CATALOG
from kaboom.errors import InvalidRequest
from kaboom.jobs.job_type import refuse_internal
from kaboom.web.auth.guard import require_scopes
from kaboom.web.auth.principals import Principal

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


def to_request(task: str, given: Mapping[str, Any], settings: "AppSettings", caller: Principal) -> dict[str, Any]:
    """Return the request that a schedule of a task stores.

    Raises:
        Forbidden: the request needs a scope that the caller lacks.
        RequestValidationError: the request does not match the schema of the task.
        InvalidRequest: the request cannot be run, or has a `session` or a `callback_url`.

    """
    if given.get("session") is not None:
        raise InvalidRequest(
            f"session was {given['session']!r:.40}, expected none: each firing takes its own day",
            pointer="/request/session",
        )
    if given.get("callback_url") is not None:
        raise InvalidRequest(
            "callback_url was given, expected none: a schedule posts to no callback", pointer="/request/callback_url"
        )
    job_type = CATALOG.require(task)
    try:
        request = refuse_internal(job_type.request.model_validate(given))
        require_scopes(caller, job_type.scopes_of(request.to_json()))
        stored = job_type.check(request, settings).to_json()
    except ValidationError as e:
        places = [{**error, "loc": ("body", "request", *error["loc"])} for error in e.errors(include_url=False)]
        raise RequestValidationError(places) from e
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer=f"/request{e.pointer}") from e
    require_scopes(caller, job_type.run_scopes_of(stored))
    return stored
