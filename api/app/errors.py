"""Domain errors to HTTP problems (RFC 9457): the one place that knows both, in English and Japanese."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from batch import errors as domain

PROBLEM_BASE = "https://kaboom.invalid/problems/"
#: More would let one request buy a megabyte of answer.
MAX_ERRORS = 20

_SCHEMA = {"$ref": "#/components/schemas/Problem"}

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """A kind of problem: the stable last part of its `type`, its status, and what it is called."""

    slug: str
    status: int
    title_en: str
    title_ja: str


class FaultyField(BaseModel):
    """A field that is wrong, by JSON pointer, and why."""

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


BAD_JSON = Problem("bad-json", 400, "The body is not JSON", "本文が JSON ではありません")
BAD_REQUEST = Problem("bad-request", 400, "The request is malformed", "リクエストの形式が正しくありません")
BAD_CURSOR = Problem("bad-cursor", 400, "The cursor is not one of ours", "カーソルが正しくありません")
UNAUTHORIZED = Problem("unauthorized", 401, "A valid token is needed", "有効なトークンが必要です")
NOT_FOUND = Problem("not-found", 404, "Not found", "見つかりません")
METHOD = Problem("method-not-allowed", 405, "This method is not allowed here", "このメソッドは使えません")
NOT_ACCEPTABLE = Problem("not-acceptable", 406, "No format fits", "対応する形式がありません")
TIMED_OUT = Problem("request-timeout", 408, "The request took too long", "リクエストが時間内に届きませんでした")
CONFLICT = Problem("conflict", 409, "The state forbids this", "現在の状態では実行できません")
TOO_LARGE = Problem("body-too-large", 413, "The body is too large", "本文が大きすぎます")
MEDIA_TYPE = Problem("unsupported-media-type", 415, "Send application/json", "application/json で送ってください")
INVALID = Problem("invalid-request", 422, "The request cannot be carried out", "リクエストの内容に誤りがあります")
RATE_LIMITED = Problem("rate-limited", 429, "Too many requests", "リクエストが多すぎます")
HEADERS_TOO_LARGE = Problem("headers-too-large", 431, "The headers are too large", "ヘッダーが大きすぎます")
INTERNAL = Problem("internal", 500, "Something broke on our side", "サーバー内部でエラーが起きました")
UPSTREAM = Problem("provider-failed", 502, "The data provider failed", "データ提供元でエラーが起きました")
UNAVAILABLE = Problem("unavailable", 503, "A part of the system is away", "システムの一部が利用できません")
PROBLEMS = (
    BAD_REQUEST, BAD_JSON, BAD_CURSOR, UNAUTHORIZED, NOT_FOUND, METHOD, NOT_ACCEPTABLE, TIMED_OUT, CONFLICT,
    TOO_LARGE, MEDIA_TYPE, INVALID, RATE_LIMITED, HEADERS_TOO_LARGE, INTERNAL, UPSTREAM, UNAVAILABLE,
)  # fmt: skip

#: The nearest class in the tree decides; `tests/repo/test_errors.py` holds it complete.
BY_ERROR: Mapping[type[domain.KaboomError], Problem] = {
    domain.InvalidRequest: INVALID,
    domain.NotAuthorized: UNAUTHORIZED,
    domain.NotFound: NOT_FOUND,
    domain.Conflict: CONFLICT,
    domain.ProviderError: UPSTREAM,
    domain.StoreError: UNAVAILABLE,
    domain.ConfigurationError: INTERNAL,
    domain.KaboomError: INTERNAL,
}
_BY_STATUS = {400: BAD_JSON, 404: NOT_FOUND, 405: METHOD, 415: MEDIA_TYPE}


class BadCursor(domain.InvalidRequest):
    """A cursor that this API did not give out."""


class NotAcceptable(domain.InvalidRequest):
    """A caller who takes none of the formats that there are."""


class TooManyStreams(domain.KaboomError):
    """A caller who has as many streams open as it may."""


#: Requests that HTTP has a status of its own for.
_BY_OWN_ERROR: Mapping[type[domain.KaboomError], Problem] = {
    BadCursor: BAD_CURSOR,
    NotAcceptable: NOT_ACCEPTABLE,
    TooManyStreams: RATE_LIMITED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a problem says in one case: a sentence, the faulty fields, and headers."""

    problem: Problem
    detail: str
    errors: Sequence[Mapping[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_response(answer: Answer, *, path: str, language: str, request_id: str) -> Response:
    """Return an answer as `application/problem+json`."""
    problem = answer.problem
    is_japanese = prefers_japanese(language)
    body: dict[str, Any] = {
        "type": PROBLEM_BASE + problem.slug,
        "title": problem.title_ja if is_japanese else problem.title_en,
        "status": problem.status,
        "detail": f"{problem.title_ja}: {answer.detail}" if is_japanese else answer.detail,
        "instance": path,
        "request_id": request_id,
    }
    if answer.errors:
        body["errors"] = list(answer.errors[:MAX_ERRORS])
    headers = {"Content-Language": "ja" if is_japanese else "en", **answer.headers}
    return Response(orjson.dumps(body), problem.status, headers, media_type="application/problem+json")


def describe_problems(*problems: Problem) -> dict[int | str, dict[str, Any]]:
    """Return what OpenAPI says of the problems that a route may answer with."""
    described: dict[int | str, dict[str, Any]] = {}
    for problem in problems:
        entry = described.setdefault(problem.status, {"description": problem.title_en})
        content = entry.setdefault("content", {"application/problem+json": {"schema": _SCHEMA, "examples": {}}})
        example = {
            "type": PROBLEM_BASE + problem.slug,
            "title": problem.title_en,
            "status": problem.status,
            "detail": problem.title_en,
            "instance": "/api/v1/ingest/run-daily",
            "request_id": "7c6a1c0f5a6b4a9d8e2f3b4c5d6e7f80",
        }
        content["application/problem+json"]["examples"][problem.slug] = {"value": example}
    return described


def prefers_japanese(accept_language: str) -> bool:
    """Return whether an Accept-Language header puts `ja` before `en`, by weight and then by place."""
    ranked = []
    for place, part in enumerate(accept_language.lower().replace(" ", "").split(",")):
        tag, _, weight = part.partition(";q=")
        name = tag.split("-")[0]
        if name in {"ja", "en"} and (q := _parse_weight(weight)) > 0:
            ranked.append((-q, place, name))
    return min(ranked, default=(0.0, 0, "en"))[2] == "ja"


def install_handlers(app: FastAPI) -> None:
    """Have every error of a route answered as a problem; the gate answers for bugs."""
    app.add_exception_handler(domain.KaboomError, _on_domain_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_error)


def _respond(request: Request, answer: Answer) -> Response:
    return problem_response(
        answer,
        path=request.url.path,
        language=request.headers.get("accept-language", ""),
        request_id=request.scope.get("request_id", ""),
    )


async def _on_domain_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, domain.KaboomError):
        raise error
    problems = {**BY_ERROR, **_BY_OWN_ERROR}
    problem = next(problems[kind] for kind in type(error).__mro__ if kind in problems)
    headers = {}
    if problem.status >= 500:
        _log.warning("request_failed", error=type(error).__name__, reason=error.message)
    if problem in {UNAVAILABLE, RATE_LIMITED}:
        headers["Retry-After"] = str(round(error.retry_after_s or 2))
    pointer = error.pointer if isinstance(error, domain.InvalidRequest) else ""
    faulty = [{"pointer": f"#{pointer}", "detail": error.message}] if pointer else []
    return _respond(request, Answer(problem, error.message, faulty, headers))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    found = error.errors()[:MAX_ERRORS]
    if any(e["type"] == "json_invalid" for e in found):
        return _respond(request, Answer(BAD_JSON, "the body could not be parsed as JSON"))
    faulty = [{"pointer": _to_pointer(e["loc"]), "detail": e["msg"]} for e in found]
    first = f"{faulty[0]['pointer']}: {faulty[0]['detail']}" if faulty else "the request is not valid"
    return _respond(request, Answer(INVALID, first, faulty))


def _parse_weight(text: str) -> float:
    try:
        return float(text or 1)
    except ValueError:
        return 0.0


def _to_pointer(location: Sequence[Any]) -> str:
    # Keys come from the caller: bounded, and escaped as RFC 6901 says.
    parts = [str(part)[:40].replace("~", "~0").replace("/", "~1") for part in location[1:]]
    return "/".join(["#", *parts])


async def _on_http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    problem = _BY_STATUS.get(error.status_code)
    if problem is None:
        problem = Problem("http", error.status_code, str(error.detail), str(error.detail))
    headers = dict(error.headers or {})
    if problem is METHOD and (methods := await _find_methods(request) or headers.get("Allow", "").split(", ")):
        headers["Allow"] = ", ".join(sorted(methods))
    return _respond(request, Answer(problem, str(error.detail), headers=headers))


async def _find_methods(request: Request) -> list[str]:
    """Return the methods that the API describes for a path; Starlette names those of its first route alone."""
    paths = (await asyncio.to_thread(request.app.openapi))["paths"]
    asked = request.scope["path"]
    # `/jobs/stats` has a description of its own, and fits `/jobs/{job_id}` too.
    described: Mapping[str, Any] = paths.get(asked) or next((paths[path] for path in paths if _fits(path, asked)), {})
    return [method.upper() for method in described]


def _fits(template: str, path: str) -> bool:
    parts, asked = template.split("/"), path.split("/")
    return len(parts) == len(asked) and all(
        part == given or part.startswith("{") for part, given in zip(parts, asked, strict=True)
    )
