"""A dashboard against Google's own description of dashboards."""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from tests.deploy.rules.discovery import definitions


def dashboard_faults(dashboard: dict[str, Any]) -> list[str]:
    """Return what of a dashboard Google's description does not allow, each with its path."""
    return sorted(f"{error.json_path}: {error.message}" for error in _validator().iter_errors(dashboard))


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator({"$defs": definitions("monitoring.v1"), "$ref": "#/$defs/Dashboard"})
