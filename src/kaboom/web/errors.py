"""Turn domain errors into HTTP problems (RFC 9457), in English or Japanese."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from kaboom import errors as domain
from kaboom.text.catalogue import Language, gettext
from kaboom.text.tables import TITLES
from kaboom.text.translate import translate
from kaboom.web.auth.changes import find_context
from kaboom.web.caller_errors import BadCursor, NotAcceptable, PasswordNeeded, TooManyLogins, TooManyStreams

PROBLEM_BASE = "https://kaboom.invalid/problems/"
#: The most invalid fields in one answer.
MAX_ERRORS = 20

_SCHEMA = {"$ref": "#/components/schemas/Problem"}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem: the stable last part of its `type`, its status and its title."""

    slug: str
    status: int
    title: str


class FaultyField(BaseModel):
    """An invalid field, by JSON pointer, and the reason."""

    pointer: str
    detail: str


class ProblemBody(BaseModel):
    """An error (RFC 9457); `docs/reference/problems.md` lists the types."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FaultyField] = Field(default=[], max_length=MAX_ERRORS)


def _define(slug: str, status: int) -> Problem:
    return Problem(slug, status, TITLES["problem"][slug])


BAD_JSON = _define("bad-json", 400)
BAD_REQUEST = _define("bad-request", 400)
BAD_CURSOR = _define("bad-cursor", 400)
UNAUTHORIZED = _define("unauthorized", 401)
FORBIDDEN = _define("forbidden", 403)
PASSWORD_NEEDED = _define("password-needed", 403)
NOT_FOUND = _define("not-found", 404)
METHOD = _define("method-not-allowed", 405)
NOT_ACCEPTABLE = _define("not-acceptable", 406)
TIMED_OUT = _define("request-timeout", 408)
CONFLICT = _define("conflict", 409)
TOO_LARGE = _define("body-too-large", 413)
MEDIA_TYPE = _define("unsupported-media-type", 415)
INVALID = _define("invalid-request", 422)
RATE_LIMITED = _define("rate-limited", 429)
HEADERS_TOO_LARGE = _define("headers-too-large", 431)
INTERNAL = _define("internal", 500)
UPSTREAM = _define("provider-failed", 502)
UNAVAILABLE = _define("unavailable", 503)

#: The problems of a request with a body.
OF_BODY = (BAD_JSON, TOO_LARGE, MEDIA_TYPE, INVALID)

#: An error has the problem of its nearest base class; `tests/repo/test_errors.py` checks that none is missing.
BY_ERROR: Mapping[type[domain.KaboomError], Problem] = {
    domain.InvalidRequest: INVALID,
    domain.NotAuthorized: UNAUTHORIZED,
    domain.Forbidden: FORBIDDEN,
    domain.NotFound: NOT_FOUND,
    domain.Conflict: CONFLICT,
    domain.ProviderError: UPSTREAM,
    domain.StrategyFailed: INVALID,
    domain.StoreError: UNAVAILABLE,
    domain.ConfigurationError: INTERNAL,
    domain.KaboomError: INTERNAL,
}
_BY_STATUS = {400: BAD_JSON, 404: NOT_FOUND, 405: METHOD, 415: MEDIA_TYPE}


#: Errors that have an HTTP status of their own.
_BY_OWN_ERROR: Mapping[type[domain.KaboomError], Problem] = {
    BadCursor: BAD_CURSOR,
    NotAcceptable: NOT_ACCEPTABLE,
    PasswordNeeded: PASSWORD_NEEDED,
    TooManyStreams: RATE_LIMITED,
    TooManyLogins: RATE_LIMITED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One problem: its detail in English, the invalid fields, and headers."""

    problem: Problem
    detail: str
    errors: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_response(answer: Answer, *, path: str, language: str, request_id: str) -> Response:
    """Return an answer as `application/problem+json`, in the language of an Accept-Language header."""
    problem = answer.problem
    spoken = accepted_language(language)
    body: dict[str, Any] = {
        "type": PROBLEM_BASE + problem.slug,
        "title": gettext(problem.title, spoken, f"problem {problem.slug}"),
        "status": problem.status,
        "detail": translate(answer.detail, spoken),
        "instance": path,
        "request_id": request_id,
    }
    if answer.errors:
        faulty = answer.errors[:MAX_ERRORS]
        body["errors"] = [{**error, "detail": translate(error["detail"], spoken)} for error in faulty]
    headers = {"Content-Language": spoken, **answer.headers}
    return Response(orjson.dumps(body), problem.status, headers, media_type="application/problem+json")


def describe_problems(*problems: Problem) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI description of the problems of a route."""
    described: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        entry = described.setdefault(problem.status, {"description": problem.title})
        content = entry.setdefault("content", {"application/problem+json": {"schema": _SCHEMA, "examples": {}}})
        example = {
            "type": PROBLEM_BASE + problem.slug,
            "title": problem.title,
            "status": problem.status,
            "detail": problem.title,
            "instance": "/api/v1/ingest/run-daily",
            "request_id": "7c6a1c0f5a6b4a9d8e2f3b4c5d6e7f80",
        }
        content["application/problem+json"]["examples"][problem.slug] = {"value": example}
    return described


def accepted_language(accept_language: str) -> Language:
    """Return the language that an Accept-Language header prefers, by weight, then by order; `en` if it has neither."""
    ranked = []
    for place, part in enumerate(accept_language.lower().replace(" ", "").split(",")):
        tag, _, weight = part.partition(";q=")
        name = tag.split("-")[0]
        if name in {"ja", "en"} and (q := _parse_weight(weight)) > 0:
            ranked.append((-q, place, name))
    return "ja" if min(ranked, default=(0.0, 0, "en"))[2] == "ja" else "en"


def install_handlers(app: FastAPI, explain: Callable[[str], Awaitable[str]]) -> None:
    """Answer the errors of routes as problems; the gate answers unexpected exceptions.

    `explain` adds the known cause to the message of an unavailable part.
    """
    app.add_exception_handler(domain.KaboomError, partial(_on_domain_error, explain))
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)


def _respond(request: Request, answer: Answer) -> Response:
    context = find_context(request.scope)
    return problem_response(
        answer,
        path=request.url.path,
        language=request.headers.get("accept-language", ""),
        request_id=context.request_id if context else "",
    )


async def _on_domain_error(explain: Callable[[str], Awaitable[str]], request: Request, error: Exception) -> Response:
    if not isinstance(error, domain.KaboomError):
        raise error
    problems = {**BY_ERROR, **_BY_OWN_ERROR}
    problem = next(problems[kind] for kind in type(error).__mro__ if kind in problems)
    headers = {}
    message = await explain(error.message) if problem is UNAVAILABLE else error.message
    if problem.status >= 500:
        _log.warning("request_failed", error=type(error).__name__, reason=message)
    if problem in {UNAVAILABLE, RATE_LIMITED}:
        headers["Retry-After"] = str(round(error.retry_after_s or 2))
    pointer = error.pointer if isinstance(error, domain.InvalidRequest) else ""
    faulty = [{"pointer": f"#{pointer}", "detail": error.message.removeprefix(f"{pointer}: ")}] if pointer else []
    return _respond(request, Answer(problem, message, faulty, headers))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    every = error.errors()
    found = [e for e in every if not _follows(e, every)][:MAX_ERRORS]
    if any(e["type"] == "json_invalid" for e in found):
        return _respond(request, Answer(BAD_JSON, "the body could not be parsed as JSON"))
    faulty = [{"pointer": _to_pointer(e["loc"]), "detail": e["msg"].removeprefix("Value error, ")} for e in found]
    first = f"{faulty[0]['pointer']}: {faulty[0]['detail']}" if faulty else "the request is not valid"
    return _respond(request, Answer(INVALID, first, faulty))


def _follows(fault: Mapping[str, Any], every: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a list only seems too short: pydantic does not count its items that have faults of their own."""
    at = fault["loc"]
    return fault["type"] == "too_short" and any(len(e["loc"]) > len(at) and e["loc"][: len(at)] == at for e in every)


def _parse_weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0


def _to_pointer(location: Sequence[Any]) -> str:
    # Keys come from the caller: shorten them, and escape them by RFC 6901.
    parts = [str(part)[:40].replace("~", "~0").replace("/", "~1") for part in location[1:]]
    return "/".join(["#", *parts])


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    problem = _BY_STATUS.get(error.status_code)
    if problem is None:
        problem = Problem("http", error.status_code, str(error.detail))
    headers = dict(error.headers or {})
    if problem is METHOD and (methods := await _find_methods(request) or headers.get("Allow", "").split(", ")):
        headers["Allow"] = ", ".join(sorted(methods))
    return _respond(request, Answer(problem, str(error.detail), headers=headers))


async def _find_methods(request: Request) -> list[str]:
    """Return the methods of a path by the OpenAPI document; Starlette has only those of the first matching route."""
    paths = (await asyncio.to_thread(request.app.openapi))["paths"]
    asked = request.scope["path"]
    # `/jobs/stats` has its own entry, but would also match `/jobs/{job_id}`.
    described: Mapping[str, Any] = paths.get(asked) or next((paths[path] for path in paths if _fits(path, asked)), {})
    return [method.upper() for method in described]


def _fits(template: str, path: str) -> bool:
    parts, asked = template.split("/"), path.split("/")
    return len(parts) == len(asked) and all(
        part == given or part.startswith("{") for part, given in zip(parts, asked, strict=True)
    )
