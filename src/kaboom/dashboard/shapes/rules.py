"""Convert a rule of notifications to the fields of a form, and back; the API checks the values."""

from collections.abc import Mapping
from typing import Any

from kaboom.dashboard.viewer import number_or_text

#: The states of ended jobs that the form offers, the worst first.
ENDS = ("failed", "partial", "cancelled", "completed")
_TIMES = ("quiet_from", "quiet_until", "digest_at", "deadline")
#: The fields with one value each; `only` has a filter `name=value` in each line.
TEXTS = ("name", "channel_id", "language", *_TIMES, "digest_minutes", "only")


def values_of(rule: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the form from a rule of the API; filters are lines of text, except for the end of a job."""
    values: dict[str, Any] = {name: "" if rule[name] is None else str(rule[name]) for name in TEXTS}
    only: Mapping[str, list[str]] = rule["only"]
    pairs = [(name, text) for name, allowed in only.items() for text in allowed]
    lines = [f"{name}={text}" for name, text in pairs if name != "status" or text not in ENDS]
    ends = [text for text in only.get("status", ()) if text in ENDS]
    return values | {"events": rule["events"], "status": ends, "only": "\n".join(lines)}


def to_rule(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields as the JSON of the API."""
    body = {"name": values["name"].strip(), "channel_id": values["channel_id"], "language": values["language"]}
    body |= {"events": values["events"]} | {name: values[name] for name in _TIMES if values[name]}
    if minutes := values["digest_minutes"].strip():
        body["digest_minutes"] = number_or_text(minutes)
    only = {"status": list(values["status"])} if values["status"] else {}
    for line in filter(str.strip, values["only"].replace("\r\n", "\n").split("\n")):
        name, _, text = line.partition("=")
        only.setdefault(name.strip(), []).append(text.strip())
    return body | ({"only": only} if only else {})
