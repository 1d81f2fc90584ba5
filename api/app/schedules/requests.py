"""From the body that a schedule is given to the request that it keeps, checked as its task's own route checks it."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from app.auth import jobs_path
from app.engine.lifecycle import Jobs
from app.ingest.check import check_request
from app.ingest.schemas import RunDailyBody
from app.jobs_api.submitting import JobBody
from app.market_data.bodies import CompactBody, MirrorBody, RollUpBody
from app.market_data.check import check_roll_up
from app.market_data.refresh_bodies import IndicatorsBody, RefreshQuotesBody, RefreshSymbolsBody
from app.market_data.refresh_check import check_indicators, check_quotes, check_symbols
from batch.errors import InvalidRequest


def to_request(jobs: Jobs, task: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request that a schedule of a task keeps.

    Raises:
        RequestValidationError: it is not of the form of the task's body.
        InvalidRequest: it cannot be carried out, or says what each firing says itself.

    """
    kind, check = _TASKS[task]
    try:
        body = kind.model_validate(given)
    except ValidationError as e:
        places = [{**error, "loc": ("body", "request", *error["loc"])} for error in e.errors(include_url=False)]
        raise RequestValidationError(places) from e
    if getattr(body, "session", None) is not None:
        raise InvalidRequest(
            f"session was {given['session']!r}, expected none: each firing takes its own day",
            pointer="/request/session",
        )
    if body.callback_url is not None:
        raise InvalidRequest(
            "callback_url was given, expected none: a schedule calls nobody back", pointer="/request/callback_url"
        )
    try:
        asked = check(jobs, body)
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer=f"/request{e.pointer}") from e
    return asked | ({"dry_run": True} if body.dry_run else {})


def jobs_of(task: str) -> str:
    """Return the path of the jobs of a task."""
    return jobs_path(task.partition(".")[0])


def _run_daily(jobs: Jobs, body: JobBody) -> dict[str, Any]:
    asked = cast("RunDailyBody", body).to_request()
    check_request(asked, jobs)
    return asked.to_json()


def _roll_up(jobs: Jobs, body: JobBody) -> dict[str, Any]:
    asked = cast("RollUpBody", body).to_request(jobs.parts.settings.provider)
    check_roll_up(asked)
    return asked.to_json()


def _mirror(_: Jobs, body: JobBody) -> dict[str, Any]:
    return cast("MirrorBody", body).to_request().to_json()


def _compact(_: Jobs, body: JobBody) -> dict[str, Any]:
    return cast("CompactBody", body).to_json()


def _refresh_quotes(jobs: Jobs, body: JobBody) -> dict[str, Any]:
    asked = cast("RefreshQuotesBody", body).to_request(jobs.parts.settings.provider)
    check_quotes(asked, jobs)
    return asked.to_json()


def _refresh_symbols(jobs: Jobs, body: JobBody) -> dict[str, Any]:
    asked = cast("RefreshSymbolsBody", body).to_request(jobs.parts.settings.provider)
    check_symbols(asked, jobs)
    return asked.to_json()


def _indicators(jobs: Jobs, body: JobBody) -> dict[str, Any]:
    asked = cast("IndicatorsBody", body).to_request(jobs.parts.settings.provider)
    check_indicators(asked)
    return asked.to_json()


_TASKS: Mapping[str, tuple[type[JobBody], Callable[[Jobs, JobBody], dict[str, Any]]]] = {
    "ingest.run_daily": (RunDailyBody, _run_daily),
    "market_data.roll_up": (RollUpBody, _roll_up),
    "market_data.mirror": (MirrorBody, _mirror),
    "market_data.compact": (CompactBody, _compact),
    "market_data.refresh_quotes": (RefreshQuotesBody, _refresh_quotes),
    "market_data.refresh_symbols": (RefreshSymbolsBody, _refresh_symbols),
    "market_data.indicators": (IndicatorsBody, _indicators),
}
