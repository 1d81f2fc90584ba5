"""The kinds of alerts, and their thresholds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

#: Thresholds that are also in the rules of Prometheus (`infra/alerts/kaboom.rules.yaml`); a test compares them.
MANY_LOST = 3
OLD_QUEUE_S = 600
FULL_REDIS = 0.70
#: JPX publishes its list of issues once a month.
MOST_LIST_AGE_DAYS = 45
#: How far back chunks that were given up are listed.
DEAD_FOR_H = 24


class Severity(StrEnum):
    """How urgent an alert is."""

    PAGE = "page"  # somebody is needed now
    WARNING = "warning"  # it can wait until the morning


class Kind(StrEnum):
    """The kinds of alerts; `kaboom.text.tables` has their titles."""

    STORE_AWAY = "store_away"
    DISK_FULL = "disk_full"
    REDIS_MEMORY_HIGH = "redis_memory_high"
    NO_WORKER = "no_worker"
    WORKERS_LOST = "workers_lost"
    QUEUE_OLD = "queue_old"
    INGEST_MISSED = "ingest_missed"
    SCHEDULE_OVERDUE = "schedule_overdue"
    DEAD_LETTERS = "dead_letters"
    PROVIDER_PAUSED = "provider_paused"
    SYMBOL_LIST_OLD = "symbol_list_old"
    CHANNEL_FAILING = "channel_failing"


#: The matching rule of Prometheus, by kind; if the kind alerts earlier, the rule is the more severe case.
RULES = {
    Kind.STORE_AWAY: "KaboomStoreAway",
    Kind.REDIS_MEMORY_HIGH: "KaboomRedisMemoryHigh",
    Kind.NO_WORKER: "KaboomNoWorker",
    Kind.WORKERS_LOST: "KaboomWorkersLost",
    Kind.QUEUE_OLD: "KaboomQueueOld",
    Kind.INGEST_MISSED: "KaboomIngestMissed",
    Kind.DEAD_LETTERS: "KaboomDeadLetters",
    Kind.PROVIDER_PAUSED: "KaboomProviderPaused",
}


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes:
        about: which part, queue, series, schedule, provider or channel; "" if there is only one.
        detail: a sentence in English, which the catalogue of details translates.
        command: the first command to run.
        link: the path in this API that shows it.
        since: when it began; None if that is unknown.

    """

    kind: Kind
    severity: Severity
    detail: str
    command: str
    link: str
    about: str = ""
    since: datetime | None = None
