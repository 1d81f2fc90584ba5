"""The names of all metrics, and functions that count: in Prometheus if a metrics port is set, else nowhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from time import perf_counter
from typing import Protocol

from kaboom.errors import ProviderError, RateLimited


class Kind(StrEnum):
    """The kinds of metrics: a value that only grows, values in buckets, or a value that goes up and down."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric by the name that Prometheus shows; `docs/reference/metrics.md` lists the same."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Reading:
    """A gauge's value now, with the values of its labels."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


_REQUEST_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 30)
_CHUNK_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 1800)

HTTP_REQUESTS = Metric(
    "kaboom_http_requests_total", Kind.COUNTER, "Requests by route template and status", ("method", "route", "status")
)
HTTP_SECONDS = Metric(
    # Not by route: 150 routes with 16 series each would be most of what a process shows.
    "kaboom_http_request_seconds",
    Kind.HISTOGRAM,
    "Time to the last byte",
    ("kind",),
    _REQUEST_S,
)
FAILED_LOGINS = Metric(
    "kaboom_failed_logins_total",
    Kind.COUNTER,
    "Logins that failed: wrong credentials, or held up after failures",
    ("how", "outcome"),
)
JOBS_SUBMITTED = Metric(
    "kaboom_jobs_submitted_total", Kind.COUNTER, "Submissions: new, replayed or joined", ("queue", "how")
)
JOBS_FINISHED = Metric("kaboom_jobs_finished_total", Kind.COUNTER, "Jobs that became final", ("queue", "status"))
CHUNKS = Metric("kaboom_chunks_total", Kind.COUNTER, "Runs of chunks, by how they ended", ("task", "ending"))
CHUNK_SECONDS = Metric(
    "kaboom_chunk_seconds", Kind.HISTOGRAM, "Time of a run of a chunk, from claim to end", ("task",), _CHUNK_S
)
PROVIDER_SECONDS = Metric(
    "kaboom_provider_request_seconds",
    Kind.HISTOGRAM,
    "Time of one request to a provider",
    ("provider", "outcome"),
    _REQUEST_S,
)
PROVIDER_WAIT_SECONDS = Metric(
    "kaboom_provider_wait_seconds_total", Kind.COUNTER, "Time that requests waited for their turn", ("provider",)
)
PROVIDER_PAUSES = Metric(
    "kaboom_provider_pauses_total", Kind.COUNTER, "Pauses in which nobody asks a provider", ("provider",)
)
PROVIDER_PAUSED_SECONDS = Metric(
    "kaboom_provider_paused_seconds_total", Kind.COUNTER, "Length of the pauses that have begun", ("provider",)
)
BARS_WRITTEN = Metric("kaboom_bars_written_total", Kind.COUNTER, "Bars that chunks have written", ("queue",))
BARS_CORRECTED = Metric(
    "kaboom_bars_corrected_total", Kind.COUNTER, "Stored bars that a later answer changed", ("queue",)
)
LEASES_EXPIRED = Metric("kaboom_leases_expired_total", Kind.COUNTER, "Leases that ran out", ("queue",))
CHUNKS_SENT_AGAIN = Metric(
    "kaboom_chunks_sent_again_total", Kind.COUNTER, "Chunks whose message seemed lost", ("queue",)
)
JOBS_RESTORED = Metric("kaboom_jobs_restored_total", Kind.COUNTER, "Jobs put back into Redis", ("queue",))
DEAD_LETTERS = Metric("kaboom_dead_letters_total", Kind.COUNTER, "Chunks given up after their attempts", ("queue",))
QUEUE_DEPTH = Metric("kaboom_queue_depth", Kind.GAUGE, "Messages that no worker has taken", ("queue",))
QUEUE_OLDEST_SECONDS = Metric("kaboom_queue_oldest_seconds", Kind.GAUGE, "Age of the oldest queued job", ("queue",))
LEASES_ACTIVE = Metric("kaboom_leases_active", Kind.GAUGE, "Chunks that run", ("queue",))
WORKERS_ONLINE = Metric("kaboom_workers_online", Kind.GAUGE, "Workers heard of in the last 20 seconds")
WORKERS_LOST = Metric("kaboom_workers_lost", Kind.GAUGE, "Workers that ended in the last 15 minutes without SIGTERM")
INGEST_OVERDUE_SECONDS = Metric(
    "kaboom_ingest_overdue_seconds",
    Kind.GAUGE,
    "Time since a session's daily ingest should have been there; 0 where none is missing",
    ("market", "interval"),
)
BACKFILL_AGE_SECONDS = Metric(
    "kaboom_backfill_age_seconds", Kind.GAUGE, "Time since a nightly backfill of a whole market ended well", ("market",)
)
DATABASE_SIZE_BYTES = Metric("kaboom_database_size_bytes", Kind.GAUGE, "Size of the database of the ledger")
DATABASE_DISK_BYTES = Metric(
    "kaboom_database_disk_bytes", Kind.GAUGE, "Disk of PostgreSQL, where KABOOM_DATABASE_DISK_GB names it"
)
DATABASE_CONNECTIONS = Metric("kaboom_database_connections", Kind.GAUGE, "Connections to the server of PostgreSQL")
DATABASE_CONNECTIONS_MAX = Metric(
    "kaboom_database_connections_max", Kind.GAUGE, "Connections that the server allows, without reserved ones"
)
BACKUP_AGE_SECONDS = Metric(
    "kaboom_backup_age_seconds", Kind.GAUGE, "Age of the newest backup in KABOOM_BACKUPS_DIR", ("backup",)
)
# A gauge: Google's sidecar assumes that counters start with the process, but Redis has run for longer.
REDIS_CPU_SECONDS = Metric("kaboom_redis_cpu_seconds", Kind.GAUGE, "CPU time of Redis' main thread", ("redis",))
REDIS_MEMORY_USED_BYTES = Metric("kaboom_redis_memory_used_bytes", Kind.GAUGE, "Memory that Redis uses", ("redis",))
REDIS_MEMORY_MAX_BYTES = Metric(
    "kaboom_redis_memory_max_bytes", Kind.GAUGE, "Memory that Redis may use, where it is limited", ("redis",)
)
REDIS_CLIENTS = Metric("kaboom_redis_clients", Kind.GAUGE, "Connections to Redis", ("redis",))

METRICS = tuple(each for each in globals().values() if isinstance(each, Metric))


class Meter(Protocol):
    """Stores the metrics of this process, and renders them."""

    def count(self, metric: Metric, labels: Sequence[str], by: float) -> None:
        """Add to a counter."""
        ...

    def observe(self, metric: Metric, labels: Sequence[str], value: float) -> None:
        """Add one value to a histogram."""
        ...

    def render(self, readings: Sequence[Reading]) -> bytes:
        """Return all metrics, and these gauges, in Prometheus' text format."""
        ...


@dataclass(slots=True)
class _Current:
    """The one meter of a process."""

    meter: Meter | None = None


_current = _Current()


def use_meter(meter: Meter | None) -> None:
    """Set the meter of this process; with None, nothing is counted."""
    _current.meter = meter


def is_counting() -> bool:
    """Return whether a meter is set."""
    return _current.meter is not None


def count(metric: Metric, *labels: str, by: float = 1) -> None:
    """Add to a counter."""
    if _current.meter is not None and by:
        _current.meter.count(metric, labels, by)


def observe(metric: Metric, value: float, *labels: str) -> None:
    """Add one value to a histogram."""
    if _current.meter is not None:
        _current.meter.observe(metric, labels, value)


@contextmanager
def provider_request(provider: str) -> Iterator[None]:
    """Measure one request to a provider, by its outcome, for `kaboom.providers.watch`."""
    begun_at, outcome = perf_counter(), "ok"
    try:
        yield
    except ProviderError as e:
        outcome = "rate_limited" if isinstance(e, RateLimited) else "provider_error"
        raise
    finally:
        observe(PROVIDER_SECONDS, perf_counter() - begun_at, provider, outcome)
