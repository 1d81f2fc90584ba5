"""The workflows of the repository, and copies of them that differ in what a test cannot wait for."""

import json
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

from tests.fixtures.repo.repository import ROOT

POLLING, CALLBACK, ALERT = "kaboomDailyPolling", "kaboomDailyCallback", "kaboomFailureAlert"
ANALYSIS = "kaboomAiAnalysis"
#: Started by Kaboom alone, with a user and a password.
NOTIFICATION, NOTIFICATION_PATH = "kaboomNotification", "kaboom-notification"
#: The webhook by which each is started.
PATHS = {
    POLLING: "kaboom-daily-ingest",
    CALLBACK: "kaboom-daily-ingest-callback",
    ALERT: "kaboom-failure-alert",
    ANALYSIS: "kaboom-ai-analysis",
}
#: As an alert names them.
NAMES = {POLLING: "Kaboom: daily ingest, polling", CALLBACK: "Kaboom: daily ingest, callback"}
_FILES = {
    POLLING: "daily-ingest-polling",
    CALLBACK: "daily-ingest-callback",
    ALERT: "failure-alert",
    ANALYSIS: "ai-analysis",
    NOTIFICATION: "notification",
}


def load_workflows() -> dict[str, Any]:
    """Return the workflows by id."""
    folder = ROOT / "n8n"
    return {name: json.loads((folder / f"{file}.json").read_text()) for name, file in _FILES.items()}


def vary(workflow: Any, name: str, *, cron: str = "", **settings: Any) -> Any:
    """Return a copy that is called `name`, also its webhook; with other settings, and due at other times."""
    copy = deepcopy(workflow) | {"id": name, "name": name}
    nodes = {node["name"]: node for node in copy["nodes"]}
    nodes["By webhook"]["parameters"]["path"] = name
    if cron:
        nodes["After the close"]["parameters"]["rule"]["interval"] = [{"field": "cronExpression", "expression": cron}]
    _set(nodes["Settings"]["parameters"]["assignments"]["assignments"], settings.items())
    return copy


def _set(fields: list[dict[str, Any]], values: Iterable[tuple[str, Any]]) -> None:
    by_name = {field["name"]: field for field in fields}
    for name, value in values:
        by_name[name]["value"] = value
