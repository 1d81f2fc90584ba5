"""The OpenAPI document: generated once, completed with what FastAPI omits, and served as bytes."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from kaboom.drivers.lazy import Lazy
from kaboom.web.auth.guard import is_public, stated_scopes
from kaboom.web.auth.scopes import Scope
from kaboom.web.auth.tokens import INGEST_HEADER
from kaboom.web.errors import FORBIDDEN, RATE_LIMITED, UNAUTHORIZED, UNAVAILABLE, ProblemBody, describe_problems
from kaboom.web.routers import example_of
from kaboom.web.server.negotiate import FixedContent

PATH = "/openapi.json"
_SCHEMAS = "#/components/schemas/{model}"
#: The document is the same for all callers, and changes only with a release.
_CACHING = {"Cache-Control": "public, max-age=300"}
_HEADERS: dict[str, Any] = {
    "RateLimit-Policy": {
        "description": "the limit of this kind of call: `q` calls in `w` seconds; "
        "missing where KABOOM_RATE_LIMIT_READ or KABOOM_RATE_LIMIT_WRITE is off",
        "schema": {"type": "string", "examples": ['"read";q=3000;w=60']},
    },
    "RateLimit": {
        "description": "`r` calls are left for `t` seconds; missing as RateLimit-Policy is",
        "schema": {"type": "string", "examples": ['"read";r=2999;t=60']},
    },
    "Retry-After": {
        "description": "when to call again, in seconds",
        "schema": {"type": "integer", "minimum": 1, "examples": [2]},
    },
}
#: The ways to authenticate; a caller needs one of them.
SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "ingestToken": {"type": "apiKey", "in": "header", "name": INGEST_HEADER.decode()},
    "bearer": {"type": "http", "scheme": "bearer", "description": "a JWT of /api/v1/login or of Supabase, or a token"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-kaboom"},
}
_LIMITS = ("RateLimit-Policy", "RateLimit")
#: A call without a valid token does not count for any caller, so this answer has no limit headers.
_UNLIMITED = {"401"}
_RETRIED = {"202", "429", "503"}


def install_openapi(app: FastAPI) -> None:
    """Complete the OpenAPI document, and serve it at `/openapi.json`; call this after all routes are added."""
    generate = app.openapi

    @functools.cache
    def openapi() -> dict[str, Any]:
        scopes = {(method, path): needed or () for method, path, needed in stated_scopes(app.routes)}
        return complete_document(generate(), scopes)

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to add to the document
    document = Lazy(lambda: _pack(openapi()))

    async def show(request: Request) -> Response:
        """Answer with the encoded document."""
        return (await document.get()).answer(request.headers, _CACHING)

    app.add_route(PATH, show, include_in_schema=False)


def _pack(document: dict[str, Any]) -> FixedContent:
    """Return the document, compressed already: that takes 15 ms, and this runs in a thread."""
    content = FixedContent(orjson.dumps(document), "application/json")
    _ = content.packed
    return content


def complete_document(document: dict[str, Any], scopes: Mapping[tuple[str, str], Sequence[Scope]]) -> dict[str, Any]:
    """Add the schema of problems, the headers of limits, nulls in examples, and scopes to a document.

    `scopes` has the scopes that each operation needs, by method and path.
    """
    components = document["components"]
    problem = ProblemBody.model_json_schema(ref_template=_SCHEMAS)
    components["schemas"] |= problem.pop("$defs", {}) | {"Problem": problem}
    components["headers"] = _HEADERS
    for model in _models(BaseModel):
        schema = components["schemas"].get(model.__name__)
        example = example_of(model) if schema else None
        if example is not None:
            schema["example"] = example
            for part in schema["properties"].values():
                # Of a field with one example, that of the model has it.
                if len(part.get("examples", ())) == 1:
                    del part["examples"]
    components["securitySchemes"] = SECURITY_SCHEMES
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if not is_public(path):
                _add_security(operation, scopes.get((method.upper(), path), ()))
            _add_headers(operation)
            for parameter in operation.get("parameters", ()):
                parameter["schema"] = _without_null(parameter["schema"])
    return document


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter without null: URLs and headers have no null."""
    kinds: list[dict[str, Any]] = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {name: value for name, value in schema.items() if name != "anyOf"} | kinds[0]


def _add_security(operation: dict[str, Any], scopes: Sequence[Scope]) -> None:
    """Add the gate's answers and the scopes to an operation, so that routers need not declare them."""
    operation["security"] = [{name: [str(scope) for scope in scopes]} for name in SECURITY_SCHEMES]
    answers = operation["responses"]
    problems = (UNAUTHORIZED, *([FORBIDDEN] if scopes else []), RATE_LIMITED, UNAVAILABLE)
    for code, answer in describe_problems(*problems).items():
        answers.setdefault(str(code), answer)
    operation["responses"] = dict(sorted(answers.items()))


def _add_headers(operation: dict[str, Any]) -> None:
    for code, answer in operation["responses"].items():
        names = [*(_LIMITS if "security" in operation and code not in _UNLIMITED else ())]
        names += ["Retry-After"] if code in _RETRIED else []
        if names:
            told = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
            answer["headers"] = answer.get("headers", {}) | told


def _models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        yield model
        yield from _models(model)
