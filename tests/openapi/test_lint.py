"""The description is valid OpenAPI 3.1, and each operation says all that a client needs."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from kaboom.web.auth.guard import PUBLIC_PATHS
from tests.fixtures.jobs.apps import openapi_document

WRITES = ("POST", "PATCH", "PUT")


def operations() -> list[tuple[str, dict[str, Any]]]:
    """Return each operation with its name, such as `GET /healthz`."""
    paths = openapi_document()["paths"].items()
    return [(f"{method.upper()} {path}", operation) for path, methods in paths for method, operation in methods.items()]


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Return what checks values against a schema of the document."""
    return Draft202012Validator(schema | {"components": openapi_document()["components"]})


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from operation.get("requestBody", {}).get("content", {}).items()
    for answer in operation["responses"].values():
        yield from answer.get("content", {}).items()


def test_the_document_is_openapi() -> None:
    assert [str(error) for error in OpenAPIV31SpecValidator(openapi_document()).iter_errors()] == []


def test_a_broken_document_is_not() -> None:
    broken = openapi_document() | {"paths": {"/x": {"get": {"parameters": [{"name": "q", "in": "nowhere"}]}}}}
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


def test_each_operation_has_a_name_of_its_own() -> None:
    names = Counter(operation["operationId"] for _, operation in operations())
    assert [name for name, count in names.items() if count > 1] == []
    assert all(re.fullmatch("[a-z0-9_]+", name) for name in names)


def test_each_operation_is_tagged_and_described() -> None:
    assert [
        name
        for name, operation in operations()
        if not (operation["tags"] and operation["summary"] and re.search(r"[.;:]", operation["description"]))
    ] == []


def wanted_answers(name: str, operation: dict[str, Any]) -> set[str]:
    """Return the refusals that an operation must declare."""
    path = name.split()[1]
    wanted = {"401", "429", "503"} if "security" in operation else set()
    if operation.get("parameters") or "requestBody" in operation:
        wanted |= {"422"}
    if "requestBody" in operation:
        wanted |= {"400", "413", "415"}
    if "{" in path and not path.startswith(("/api/v1/bars/", "/api/v1/charts/", "/api/v1/fundamentals/")):
        wanted |= {"404"}
    return wanted


def test_each_operation_declares_what_can_refuse_it() -> None:
    missing = {name: wanted_answers(name, operation) - set(operation["responses"]) for name, operation in operations()}
    assert {name: codes for name, codes in missing.items() if codes} == {}


def test_each_write_is_guarded_or_public() -> None:
    writes = [(name, operation) for name, operation in operations() if name.split()[0] in WRITES]
    assert writes
    assert [name for name, o in writes if name.split()[1] not in PUBLIC_PATHS and "security" not in o] == []


def test_limits_are_reported_in_headers() -> None:
    wrong = [
        (name, code)
        for name, operation in operations()
        for code, answer in operation["responses"].items()
        if not tells_limits(answer, code, is_guarded="security" in operation)
    ]
    assert wrong == []


def tells_limits(answer: dict[str, Any], code: str, *, is_guarded: bool) -> bool:
    """Return whether an answer has the headers of rate limits exactly where they are sent."""
    names = set(answer.get("headers", {}))
    counts = {"RateLimit", "RateLimit-Policy"} <= names
    return counts == (is_guarded and code != "401") and (code not in {"429", "503"} or "Retry-After" in names)


def test_parameters_are_bounded_and_described() -> None:
    found = [(name, parameter) for name, operation in operations() for parameter in operation.get("parameters", ())]
    assert len(found) > len(operations())
    assert [one for one in found if not is_bounded(one[1]["schema"])] == []


def is_bounded(schema: dict[str, Any]) -> bool:
    """Return whether a schema limits its values, and allows no null."""
    known = any(word in str(schema) for word in ("enum", "$ref", "pattern", "format", "maxLength", "boolean"))
    return (known or {"minimum", "maximum"} <= schema.keys()) and "null" not in str(schema)


def test_examples_are_what_their_schemas_say() -> None:
    shown = [
        (name, example["value"], content["schema"])
        for name, operation in operations()
        for kind, content in contents(operation)
        if kind.endswith("json")
        for example in content.get("examples", {}).values()
    ]
    assert len(shown) > len(operations())
    assert [
        f"{name}: {error.message}" for name, value, schema in shown for error in validator(schema).iter_errors(value)
    ] == []


def test_examples_of_schemas_are_valid_and_leave_out_no_field() -> None:
    schemas = {
        name: schema for name, schema in openapi_document()["components"]["schemas"].items() if "example" in schema
    }
    assert len(schemas) > 100
    assert [
        f"{name}: {error.message}"
        for name, schema in schemas.items()
        for error in validator(schema).iter_errors(schema["example"])
    ] == []
    # Of an answer: what is always there is shown, also where it is null.
    answers = {name: s for name, s in schemas.items() if s.get("additionalProperties") is not False}
    lacking = {name: set(schema.get("required", ())) - schema["example"].keys() for name, schema in answers.items()}
    assert {name: fields for name, fields in lacking.items() if fields} == {}


def test_no_null_of_an_example_is_lost() -> None:
    schemas = openapi_document()["components"]["schemas"]
    assert schemas["JobView"]["example"]["completed_at"] is None
    assert schemas["JobPage"]["example"]["items"][0]["error"] is None
    assert schemas["QueueStats"]["example"]["oldest_queued_s"] is None
