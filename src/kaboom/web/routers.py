"""The router of a feature, and what several features share: ids in paths, views with examples, links to next pages."""

import re
from types import NoneType
from typing import Annotated, Any, get_args, get_origin
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.datastructures import MutableHeaders
from starlette.routing import Match
from starlette.types import Scope

from kaboom.errors import NotFound

HEX_ID = re.compile("[0-9a-f]{32}")


class FeatureRouter(APIRouter):
    """A router whose routes are matched only for paths below its prefix.

    By default FastAPI tries all routes of all routers in turn until one matches: with 200 routes, that takes a quarter
    of the CPU time of a request.
    """

    def __init__(self, *, prefix: str, **options: Any) -> None:
        super().__init__(prefix=prefix, **options)
        self._root = prefix.partition("{")[0]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a route has the path and method."""
        is_ours = scope["path"].removeprefix(scope.get("root_path", "")).startswith(self._root)
        return super().matches(scope) if is_ours else (Match.NONE, {})


def hex_id(name: str, what: str) -> Any:
    """Return the dependency that reads the id of `what` from a path; a text that is not 32 hex digits is answered 404.

    The database would reject some other texts, such as those with a NUL character.
    """

    async def parse(text: Annotated[str, Path(alias=name, max_length=64, description="32 hex digits")]) -> str:
        if not HEX_ID.fullmatch(text):
            raise NotFound.of_id(what, text)
        return text

    return Depends(parse)


def view_of[V: BaseModel](view: type[V], record: object, **others: Any) -> V:
    """Return a record as a view shows it: its attributes by the names of the view's fields, but for the `others`."""
    names = view.model_fields
    return view.model_validate({name: others[name] if name in others else getattr(record, name) for name in names})


def example_of(model: type[BaseModel]) -> Any:
    """Return the example of a model, with nulls, which FastAPI drops: its own, else that of its fields, or None.

    A field without an example is null if it is required and may be null. If another field is required and has none, the
    model has no example.
    """
    extra = model.model_config.get("json_schema_extra")
    if isinstance(extra, dict) and "example" in extra:
        return extra["example"]
    found = {name: value for name, field in model.model_fields.items() if (value := _example_in(field)) is not _NONE}
    is_whole = found.keys() >= {name for name, field in model.model_fields.items() if field.is_required()}
    return found if is_whole and any(value is not None for value in found.values()) else None


#: In place of an example; null is one.
_NONE = object()


def _example_in(field: FieldInfo) -> Any:
    if field.examples:
        return field.examples[0]
    part = _example_within(field.annotation)
    may_be_null = field.annotation is NoneType or NoneType in get_args(field.annotation)
    return part if part is not None else None if field.is_required() and may_be_null else _NONE


def _example_within(kind: Any) -> Any:
    """Return the example of the model that a type names, also in a list, or beside None; None for other types."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return example_of(kind)
    parts = [found for each in get_args(kind) if (found := _example_within(each)) is not None]
    if len(parts) != 1:
        return None
    return parts if get_origin(kind) is list else parts[0] if NoneType in get_args(kind) else None


def link_next(request: Request, headers: MutableHeaders | dict[str, str], cursor: str | None) -> None:
    """Add the `Link` header of the next page, if there is a cursor."""
    if cursor:
        url = request.url.include_query_params(cursor=cursor)
        headers["Link"] = f'<{quote(request.scope["path"])}?{url.query}>; rel="next"'
