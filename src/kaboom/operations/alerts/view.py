"""Alerts as the API shows them, in the language of the caller."""

from dataclasses import asdict
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kaboom.operations.alerts.finding import AlertsFound
from kaboom.operations.alerts.kinds import Kind, Severity
from kaboom.operations.examples import ALERTS
from kaboom.text.alerts import ALERT_TITLES
from kaboom.text.language import Language
from kaboom.text.translate import translate


class AlertView(BaseModel):
    """One alert: something that a person should look at."""

    kind: Kind
    severity: Severity = Field(description="page: somebody is needed now; warning: it can wait until the morning")
    title: str = Field(description="in the language of Accept-Language: en or ja")
    about: str = Field(
        description="which part, queue, series, schedule, provider or channel; empty if there is one only"
    )
    detail: str
    since: AwareDatetime | None
    command: str = Field(description="the command to begin with")
    link: str = Field(description="the path in this API that shows it")


class AlertList(BaseModel):
    """The current alerts, most severe first. `unknown` has the kinds that could not be checked."""

    model_config = ConfigDict(json_schema_extra={"example": ALERTS})

    items: list[AlertView]
    unknown: list[Kind]
    verdict: Literal["page", "warning", "ok", "unknown"] = Field(description="the worst of `items` and `unknown`")
    checked_at: AwareDatetime = Field(description="some seconds ago at most: answers are shared")


def view_alerts(found: AlertsFound, language: Language) -> AlertList:
    """Return the alerts in a language."""
    items = [
        AlertView(
            title=ALERT_TITLES[alert.kind][language == "ja"],
            **asdict(alert) | {"detail": translate(alert.detail, language)},
        )
        for alert in found.alerts
    ]
    return AlertList(items=items, unknown=list(found.unknown), verdict=_judge(found), checked_at=found.checked_at)


def _judge(found: AlertsFound) -> Literal["page", "warning", "ok", "unknown"]:
    severities = {alert.severity for alert in found.alerts}
    if Severity.PAGE in severities:
        return "page"
    if found.unknown:
        return "unknown"
    return "warning" if severities else "ok"
