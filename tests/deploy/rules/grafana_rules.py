"""A dashboard by Grafana's own schema, and by what its schema cannot say."""

import json
import re
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from grafana_foundation_sdk.cog import encoder, plugins
from grafana_foundation_sdk.models import dashboard as schema
from pydantic import ConfigDict, TypeAdapter, ValidationError

from kaboom.telemetry.metrics import METRICS, Kind

_SCHEMA = "grafana_foundation_sdk.models"
_ANY = ConfigDict(arbitrary_types_allowed=True)
_COLUMNS = 24
plugins.register_default_plugins()


def schema_faults(dashboard: Mapping[str, Any]) -> list[str]:
    """Return what Grafana's schema does not know, or wants to be of another type, by its path."""
    try:
        read = schema.Dashboard.from_json(dict(dashboard))
        written = json.loads(encoder.JSONEncoder().encode(read))
    except (TypeError, KeyError, AttributeError, ValueError) as e:
        return [f"it cannot be read: {type(e).__name__}: {e}"]
    return [*lost(dashboard, written), *_ill_typed(read)]


def lost(given: Any, known: Any, path: str = "") -> Iterator[str]:
    """Give what a schema did not know of a thing, by what is left of it once it was read."""
    if isinstance(given, Mapping) and isinstance(known, Mapping):
        for name, value in given.items():
            if name in known:
                yield from lost(value, known[name], f"{path}.{name}")
            elif value is not None:
                yield f"{path}.{name} is not in the schema"
    elif isinstance(given, list) and isinstance(known, list):
        for number, (mine, its) in enumerate(zip(given, known, strict=True)):
            yield from lost(mine, its, f"{path}[{number}]")
    elif given != known:
        yield f"{path} was {given!r} and is read as {known!r}"


def _ill_typed(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from _ill_typed(each, f"{path}[{number}]")
    elif isinstance(value, dict):
        for name, each in value.items():
            yield from _ill_typed(each, f"{path}.{name}")
    elif type(value).__module__.startswith(_SCHEMA) and not isinstance(value, str):
        for name, hint in typing.get_type_hints(type(value)).items():
            try:
                TypeAdapter(hint, config=_ANY).validate_python(getattr(value, name))
            except ValidationError:
                yield f"{path}.{name} was {getattr(value, name)!r}, expected {hint}"
            yield from _ill_typed(getattr(value, name), f"{path}.{name}")


def house_faults(dashboards: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what would be shown wrongly, or not at all, as a sentence each."""
    uids = [str(dashboard.get("uid")) for dashboard in dashboards.values()]
    found = [f"{uid} is the uid of two dashboards" for uid in sorted({u for u in uids if uids.count(u) > 1})]
    for name, dashboard in dashboards.items():
        found += [f"{name}: {fault}" for fault in _judge(dashboard)]
    return found


def _judge(dashboard: Mapping[str, Any]) -> Iterator[str]:
    variables = {f"${{{v['name']}}}" for v in dashboard["templating"]["list"] if v["type"] == "datasource"}
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    if len(set(ids)) < len(ids):
        yield "two panels have one id"
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        title, place = panel["title"], panel["gridPos"]
        if panel.get("datasource", {}).get("uid") not in variables:
            yield f"{title} does not ask the chosen Prometheus"
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        if cells & taken or place["x"] + place["w"] > _COLUMNS:
            yield f"{title} lies over another panel, or beyond the edge"
        taken |= cells
        refs = [target["refId"] for target in panel.get("targets", ())]
        if not refs or len(set(refs)) < len(refs):
            yield f"{title} has no query, or two of one refId"
        for target in panel.get("targets", ()):
            yield from (f"{title}: {fault}" for fault in query_faults(target["expr"]))


def query_faults(expr: str) -> Iterator[str]:
    """Give what is wrong with a query of our metrics."""
    known = {f"{m.name}_bucket" if m.kind is Kind.HISTOGRAM else m.name: m for m in METRICS}
    for name, window in re.findall(r"\b(kaboom_\w+)(?:\{[^}]*\})?(\[[^]]+\])?", expr):
        if name not in known:
            yield f"{name} is no metric of Kaboom's"
        elif known[name].kind is not Kind.GAUGE and not window:
            yield f"{name} only grows, and is read without a window"
