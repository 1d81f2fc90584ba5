"""The description is valid OpenAPI 3.1, and each operation says all that a client needs."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from app.auth.guard import PUBLIC_PATHS
from app.main import create_app
from tests.fixtures.jobs.apps import memory_settings

DOCUMENT = create_app(memory_settings(Path("nowhere"))).openapi()
OPERATIONS = [
    (f"{method.upper()} {path}", operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
operations = pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=[name for name, _ in OPERATIONS])
WRITES = ("POST", "PATCH", "PUT")


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Return what checks values against a schema of the document."""
    return Draft202012Validator(schema | {"components": DOCUMENT["components"]})


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for answer in operation["responses"].values():
        yield from answer.get("content", {}).items()


def test_the_document_is_openapi() -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_a_broken_document_is_not() -> None:
    broken = DOCUMENT | {"paths": {"/x": {"get": {"parameters": [{"name": "q", "in": "nowhere"}]}}}}
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_each_operation_has_a_name_of_its_own() -> None:
    names = Counter(operation["operationId"] for _, operation in OPERATIONS)
    assert [name for name, count in names.items() if count > 1] == []
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in names)


@operations
def test_an_operation_is_tagged_and_described(name: str, operation: dict[str, Any]) -> None:
    assert operation["tags"]
    assert operation["summary"]
    assert re.search(r"[.;:]", operation["description"]), name


@operations
def test_an_operation_declares_what_can_refuse_it(name: str, operation: dict[str, Any]) -> None:
    method, path = name.split()
    wanted = {"401", "429", "503"} if "security" in operation else set()
    if operation.get("parameters") or "requestBody" in operation:
        wanted |= {"422"}
    if "requestBody" in operation:
        wanted |= {"400", "413", "415"}
    if "{" in path and not path.startswith("/api/v1/bars/"):
        wanted |= {"404"}
    assert wanted <= set(operation["responses"])
    assert method not in WRITES or path in PUBLIC_PATHS or "security" in operation


@operations
def test_limits_are_reported_in_headers(name: str, operation: dict[str, Any]) -> None:
    assert name
    for code, answer in operation["responses"].items():
        told = set(answer.get("headers", {}))
        assert ({"RateLimit", "RateLimit-Policy"} <= told) == ("security" in operation and code != "401")
        assert code not in {"429", "503"} or "Retry-After" in told


@operations
def test_a_parameter_is_bounded_and_described(name: str, operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        schema = parameter["schema"]
        known = any(word in str(schema) for word in ("enum", "$ref", "pattern", "format", "maxLength", "boolean"))
        assert known or {"minimum", "maximum"} <= schema.keys(), (name, parameter)
        assert "null" not in str(schema), (name, parameter)


@operations
def test_examples_are_what_their_schemas_say(name: str, operation: dict[str, Any]) -> None:
    for kind, content in contents(operation):
        if not kind.endswith("json"):
            continue
        for example in content.get("examples", {}).values():
            assert [e.message for e in validator(content["schema"]).iter_errors(example["value"])] == [], name


@pytest.mark.parametrize("name", [n for n, schema in DOCUMENT["components"]["schemas"].items() if "example" in schema])
def test_an_example_of_a_schema_is_valid_and_leaves_out_no_field(name: str) -> None:
    schema = DOCUMENT["components"]["schemas"][name]
    assert [e.message for e in validator(schema).iter_errors(schema["example"])] == []
    # Of an answer: what is always there is shown, also where it is null.
    if schema.get("additionalProperties") is not False:
        assert set(schema.get("required", ())) <= schema["example"].keys()


def test_no_null_of_an_example_is_lost() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["JobView"]["example"]["completed_at"] is None
    assert schemas["JobPage"]["example"]["items"][0]["error"] is None
    assert schemas["QueueStats"]["example"]["oldest_queued_s"] is None
