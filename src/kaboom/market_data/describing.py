"""The OpenAPI descriptions of the read routes: their formats and their problems."""

from typing import Any

from fastapi import Response
from pydantic import BaseModel

from kaboom.bars.export.formats import Format
from kaboom.market_data.pieces import GRID_TYPE
from kaboom.web.errors import BAD_CURSOR, INVALID, NOT_ACCEPTABLE, NOT_FOUND, Problem, describe_problems


def describe_table(model: type[BaseModel], csv: str, *problems: Problem) -> dict[str, Any]:
    """Return the OpenAPI arguments of a table route: its four formats, 304, and its problems."""
    responses: dict[int | str, dict[str, Any]] = {
        200: {"content": _describe_rows(csv), "description": "the table, in the format that `Accept` likes best"},
        304: {"description": "the table is as its ETag says"},
    }
    return {
        "response_model": model,
        "responses": responses | describe_problems(BAD_CURSOR, NOT_ACCEPTABLE, INVALID, *problems),
    }


def describe_stream(csv: str) -> dict[str, Any]:
    """Return the OpenAPI arguments of a route for many symbols: its three formats, 304, and its problems."""
    responses: dict[int | str, dict[str, Any]] = {
        200: {"content": _describe_rows(csv), "description": "the bars, in the format that `Accept` likes best"},
        304: {"description": "the bars are as their ETag says"},
    }
    return {
        "response_class": Response,
        "responses": responses | describe_problems(NOT_ACCEPTABLE, INVALID, NOT_FOUND),
    }


def describe_grid(example: str) -> dict[str, Any]:
    """Return the OpenAPI arguments of a grid route: its bytes, 304, and its problems."""
    content = {"schema": {"type": "string", "format": "binary"}, "examples": {"grid": {"value": example}}}
    responses: dict[int | str, dict[str, Any]] = {
        200: {"content": {GRID_TYPE: content}, "description": "a line of JSON, then a byte for each cell"},
        304: {"description": "the cells are as their ETag says"},
    }
    return {"response_class": Response, "responses": responses | describe_problems(INVALID, NOT_FOUND)}


def _describe_rows(csv: str) -> dict[str, Any]:
    """Return the OpenAPI content of rows, but for JSON."""
    binary = {"schema": {"type": "string", "format": "binary"}, "examples": {"file": {"summary": "the same columns"}}}
    text = {"schema": {"type": "string"}, "examples": {"rows": {"value": csv}}}
    content = {Format.CSV: text, Format.ARROW: binary, Format.PARQUET: binary}
    return {form.media_type.partition(";")[0]: described for form, described in content.items()}
