"""The API's description of itself: made once, completed with what FastAPI leaves out, and served as bytes."""

import functools
import gzip
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response, status
from pydantic import BaseModel

from app.auth.guard import is_public, stated_scopes
from app.auth.ingest_tokens import INGEST_HEADER
from app.auth.scopes import Scope
from app.errors import FORBIDDEN, RATE_LIMITED, UNAUTHORIZED, UNAVAILABLE, ProblemBody, describe_problems
from app.server.negotiate import accepts_gzip, has_tag
from batch.kit.lazy import Lazy

PATH = "/openapi.json"
_SCHEMAS = "#/components/schemas/{model}"
#: The same for everybody, and new with a release only.
_CACHING = {"Cache-Control": "public, max-age=300", "Vary": "Accept-Encoding"}
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
#: How a caller is authenticated; any one suffices.
SECURITY_SCHEMES: dict[str, dict[str, str]] = {
    "ingestToken": {"type": "apiKey", "in": "header", "name": INGEST_HEADER.decode()},
    "bearer": {"type": "http", "scheme": "bearer", "description": "a JWT of /api/v1/login or of Supabase, or a token"},
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-kaboom"},
}
_LIMITS = ("RateLimit-Policy", "RateLimit")
#: A call without the right token counts for nobody.
_UNLIMITED = {"401"}
_RETRIED = {"202", "429", "503"}


@dataclass(frozen=True, slots=True)
class _Document:
    """The description as bytes, plain and compressed, each with its ETag."""

    plain: bytes
    packed: bytes
    etag: str

    def answer(self, accepted: str, known: str) -> Response:
        is_packed = accepts_gzip(accepted)
        etag = f'"{self.etag}{"-gzip" if is_packed else ""}"'
        headers = {"ETag": etag, **_CACHING}
        if has_tag(known, etag):
            return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=headers)
        if is_packed:
            headers["Content-Encoding"] = "gzip"
        return Response(self.packed if is_packed else self.plain, media_type="application/json", headers=headers)


def install_openapi(app: FastAPI) -> None:
    """Complete what the app says of itself, and serve it at `/openapi.json`; call it after all routes are there."""
    generate = app.openapi

    @functools.cache
    def openapi() -> dict[str, Any]:
        scopes = {(method, path): needed or () for method, path, needed in stated_scopes(app.routes)}
        return complete_document(generate(), scopes)

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to add to the document
    document = Lazy(lambda: _encode(openapi()))

    async def show(request: Request) -> Response:
        """Answer with the bytes that were made once."""
        headers = request.headers
        return (await document.get()).answer(headers.get("accept-encoding", ""), headers.get("if-none-match", ""))

    app.add_route(PATH, show, include_in_schema=False)


def complete_document(document: dict[str, Any], scopes: Mapping[tuple[str, str], Sequence[Scope]]) -> dict[str, Any]:
    """Add to a document what problems are, which headers limits have, what is null in examples, and scopes.

    `scopes` has those that an operation needs, by method and path.
    """
    components = document["components"]
    problem = ProblemBody.model_json_schema(ref_template=_SCHEMAS)
    components["schemas"] |= problem.pop("$defs", {}) | {"Problem": problem}
    components["headers"] = _HEADERS
    for model in _models(BaseModel):
        extra = model.model_config.get("json_schema_extra")
        if model.__name__ in components["schemas"] and isinstance(extra, dict) and "example" in extra:
            # FastAPI leaves out every null.
            components["schemas"][model.__name__]["example"] = extra["example"]
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
    """Return the schema of a parameter: what is left out of a URL or a header is not null."""
    kinds: list[dict[str, Any]] = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {name: value for name, value in schema.items() if name != "anyOf"} | kinds[0]


def _add_security(operation: dict[str, Any], scopes: Sequence[Scope]) -> None:
    """Add to an operation what the gate does before its route, and its scopes: a router need not say it."""
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


def _encode(document: dict[str, Any]) -> _Document:
    plain = orjson.dumps(document)
    return _Document(plain, gzip.compress(plain, mtime=0), hashlib.sha256(plain).hexdigest()[:32])
