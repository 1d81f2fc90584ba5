"""The API describes itself: every route with examples that are true, every problem, and the token."""

import asyncio
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field

from kaboom.main import create_app
from kaboom.web.auth.guard import PUBLIC_PATHS, stated_scopes
from kaboom.web.openapi import SECURITY_SCHEMES
from kaboom.web.routers import example_of
from tests.fixtures.jobs.apps import RUN_DAILY, client_of, memory_settings, openapi_document, running


@cache
def api() -> FastAPI:
    """Return the API, made once; when a test asks."""
    return create_app(memory_settings(Path("nowhere")))


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in a type, with those in their fields."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        for field in annotation.model_fields.values():
            yield from models_in(field.annotation)
    for part in get_args(annotation):
        yield from models_in(part)


@cache
def documented_models() -> dict[str, type[BaseModel]]:
    """Return the models of all bodies and answers whose schema has an example, by name."""
    fields: list[Any] = []
    for context in iter_route_contexts(api().routes):
        fields += [getattr(context, name, None) for name in ("body_field", "response_field")]
        fields += getattr(context, "response_fields", {}).values()
    found = {model.__name__: model for field in fields if field for model in models_in(field.field_info.annotation)}
    schemas = openapi_document()["components"]["schemas"]
    return {name: model for name, model in sorted(found.items()) if "example" in schemas.get(name, {})}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in openapi_document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def contents(operation: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "requestBody" in operation:
        yield operation["requestBody"]["content"]["application/json"]
    for answer in operation["responses"].values():
        yield from answer.get("content", {}).values()


def names_in(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for value in schema.values():
            yield from names_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from names_in(value)


def test_every_body_and_every_answer_has_an_example() -> None:
    found = [(name, content) for name, operation in operations() for content in contents(operation)]
    assert len(found) > 100
    assert [(name, content) for name, content in found if not has_example(content)] == []


def has_example(content: dict[str, Any]) -> bool:
    """Return whether a body or an answer shows an example, itself or in a schema that it names."""
    referred = [ref.rpartition("/")[2] for ref in names_in(content.get("schema"))]
    return bool(content.get("examples")) or any(
        "example" in openapi_document()["components"]["schemas"][s] for s in referred
    )


def test_every_answer_of_json_has_the_fields_of_a_model_only() -> None:
    made = {
        f"{method} {context.path}"
        for context in iter_route_contexts(api().routes)
        if getattr(context, "response_field", None)
        for method in context.methods or ()
    }
    described = {
        name
        for name, operation in operations()
        if any(code < "3" and "application/json" in a.get("content", {}) for code, a in operation["responses"].items())
    }
    # The files of a backtest, of which some are JSON, and the picture of an analysis are sent as they are kept.
    assert described - made == {
        "GET /api/v1/ai-analysis/results/{job_id}/{symbol}.json",
        "GET /api/v1/backtest/results/{job_id}/{name}",
    }


def test_every_example_of_the_document_has_its_model() -> None:
    # Problems have one schema, and their examples are compared in test_problems.py.
    shown = {name for name, schema in openapi_document()["components"]["schemas"].items() if "example" in schema}
    assert shown - {"Problem"} == documented_models().keys()


def test_examples_are_true() -> None:
    for name, model in documented_models().items():
        example = openapi_document()["components"]["schemas"][name]["example"]
        parsed = model.model_validate_json(json.dumps(example))
        assert parsed.model_dump(mode="json", exclude_unset=True) == example, name


def test_the_documented_body_is_the_example() -> None:
    example = openapi_document()["components"]["schemas"]["RunDailyBody"]["example"]
    assert example == {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}


def test_every_reference_leads_somewhere() -> None:
    known = {
        f"#/components/{kind}/{name}" for kind, named in openapi_document()["components"].items() for name in named
    }
    assert set(names_in(openapi_document())) <= known


def test_every_operation_but_the_public_ones_needs_the_token() -> None:
    assert [name for name, operation in operations() if not is_guarded_as_stated(name, operation)] == []


def is_guarded_as_stated(name: str, operation: dict[str, Any]) -> bool:
    """Return whether the document asks for the scopes that the route asks for, and says how it refuses."""
    scopes = {f"{method} {path}": found for method, path, found in stated_scopes(api().routes)}
    stated = [str(scope) for scope in scopes[name] or ()]
    if name.partition(" ")[2] in PUBLIC_PATHS:
        return "security" not in operation
    refusals = {"401", "403"} if stated else {"401"}
    wanted = [{scheme: stated} for scheme in SECURITY_SCHEMES]
    return operation.get("security") == wanted and refusals <= operation["responses"].keys()


def test_the_ingest_token_is_a_header() -> None:
    scheme = openapi_document()["components"]["securitySchemes"]["ingestToken"]
    assert scheme == {"type": "apiKey", "in": "header", "name": "x-ingest-token"}


def test_problems_of_a_submission_are_reported() -> None:
    answers = openapi_document()["paths"][RUN_DAILY]["post"]["responses"]
    assert set(answers) == {"202", "400", "401", "403", "409", "413", "415", "422", "429", "503"}
    for status in set(answers) - {"202"}:
        assert list(answers[status]["content"]) == ["application/problem+json"]


@pytest.mark.anyio
async def test_the_document_is_cacheable(http: httpx2.AsyncClient) -> None:
    for encoding, sent in (
        ("identity", None),
        ("gzip, br", "gzip"),
        ("gzip;q=0, identity", None),
        ("br, gzip;q=0.5", "gzip"),
    ):
        first, again = [await http.get("/openapi.json", headers={"Accept-Encoding": encoding}) for _ in range(2)]
        assert first.json() == again.json() == openapi_document()
        assert first.headers["etag"] == again.headers["etag"]
        assert first.headers["cache-control"] == "public, max-age=300"
        assert first.headers["vary"] == "Accept-Encoding"
        assert first.headers.get("content-encoding") == sent
        known = {"Accept-Encoding": encoding, "If-None-Match": first.headers["etag"]}
        same = await http.get("/openapi.json", headers=known)
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", first.headers["etag"])


@pytest.mark.anyio
async def test_the_document_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def encode(document: dict[str, Any]) -> bytes:
        made.append(document)
        return b"{}"

    monkeypatch.setattr("kaboom.web.openapi.orjson.dumps", encode)
    async with running(memory_settings(tmp_path)) as app, client_of(app) as client:
        answers = await asyncio.gather(*(client.get("/openapi.json") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(made) == 1


def test_the_limits_of_a_call_are_described() -> None:
    answers = openapi_document()["paths"][RUN_DAILY]["post"]["responses"]
    limits = {"RateLimit", "RateLimit-Policy"}
    for code, wanted in (("202", limits | {"Retry-After"}), ("422", limits), ("429", limits | {"Retry-After"})):
        assert set(answers[code]["headers"]) == wanted
    assert "headers" not in answers["401"]
    assert "headers" not in openapi_document()["paths"]["/healthz"]["get"]["responses"]["200"]


def test_an_example_is_made_of_those_of_fields() -> None:
    class Part(BaseModel):
        name: str = Field(examples=["a"])
        ends_at: str | None
        note: str = ""

    class Whole(BaseModel):
        parts: list[Part]
        first: Part | None
        count: int = Field(examples=[2, 3])

    class Lacking(Part):
        size: int

    part = {"name": "a", "ends_at": None}
    assert example_of(Whole) == {"parts": [part], "first": part, "count": 2}
    assert example_of(Lacking) is None
