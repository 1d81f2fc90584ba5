"""The table of queues and tasks: what exists, where it runs, and which function does it."""

from dataclasses import dataclass
from enum import StrEnum


class Queue(StrEnum):
    """The five lines that a worker empties."""

    INGEST = "ingest"
    AI_ANALYSIS = "ai_analysis"
    BACKTEST = "backtest"
    MARKET_DATA = "market_data"
    NOTIFICATIONS = "notifications"


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A kind of work. Handlers are named, not imported: the API enqueues by name and starts fast.

    Attributes:
        name: the Celery task that plans a job and fans it out.
        chunk_name: the Celery task that runs one chunk of it.
        plan_handler: `module:function` that plans, called with an `app.engine.run.worker.Run`.
        chunk_handler: `module:function` that runs a chunk, called with the same, which returns its tally.

    """

    name: str
    chunk_name: str
    queue: Queue
    plan_handler: str
    chunk_handler: str


INGEST_RUN_DAILY = TaskSpec(
    name="ingest.run_daily",
    chunk_name="ingest.chunk",
    queue=Queue.INGEST,
    plan_handler="app.ingest.tasks:run_daily",
    chunk_handler="app.ingest.tasks:run_chunk",
)

#: Its chunks are as those of a daily ingest: some symbols over some sessions.
INGEST_BACKFILL = TaskSpec(
    name="ingest.backfill",
    chunk_name=INGEST_RUN_DAILY.chunk_name,
    queue=Queue.INGEST,
    plan_handler="app.ingest.tasks:backfill",
    chunk_handler=INGEST_RUN_DAILY.chunk_handler,
)

#: One name for the chunks of all tasks of the queue: the job's record says which handler runs them.
_MARKET_DATA_CHUNK = "market_data.chunk"

MARKET_DATA_ROLL_UP = TaskSpec(
    name="market_data.roll_up",
    chunk_name=_MARKET_DATA_CHUNK,
    queue=Queue.MARKET_DATA,
    plan_handler="app.market_data.tasks.roll_up:plan",
    chunk_handler="app.market_data.tasks.roll_up:run_chunk",
)

MARKET_DATA_MIRROR = TaskSpec(
    name="market_data.mirror",
    chunk_name=_MARKET_DATA_CHUNK,
    queue=Queue.MARKET_DATA,
    plan_handler="app.market_data.tasks.mirror:plan",
    chunk_handler="app.market_data.tasks.mirror:run_chunk",
)

MARKET_DATA_COMPACT = TaskSpec(
    name="market_data.compact",
    chunk_name=_MARKET_DATA_CHUNK,
    queue=Queue.MARKET_DATA,
    plan_handler="app.market_data.tasks.compact:plan",
    chunk_handler="app.market_data.tasks.compact:run_chunk",
)

#: An ingest of one session, and its chunks are those of one.
MARKET_DATA_REFRESH_QUOTES = TaskSpec(
    name="market_data.refresh_quotes",
    chunk_name=_MARKET_DATA_CHUNK,
    queue=Queue.MARKET_DATA,
    plan_handler="app.ingest.tasks:refresh_quotes",
    chunk_handler=INGEST_RUN_DAILY.chunk_handler,
)

#: The plan is all of it: one request, one file. It never has a chunk.
MARKET_DATA_REFRESH_SYMBOLS = TaskSpec(
    name="market_data.refresh_symbols",
    chunk_name=_MARKET_DATA_CHUNK,
    queue=Queue.MARKET_DATA,
    plan_handler="app.market_data.tasks.symbols:plan",
    chunk_handler="app.market_data.tasks.symbols:plan",
)

MARKET_DATA_INDICATORS = TaskSpec(
    name="market_data.indicators",
    chunk_name=_MARKET_DATA_CHUNK,
    queue=Queue.MARKET_DATA,
    plan_handler="app.market_data.tasks.indicators:plan",
    chunk_handler="app.market_data.tasks.indicators:run_chunk",
)

CATALOG = (
    INGEST_RUN_DAILY,
    INGEST_BACKFILL,
    MARKET_DATA_ROLL_UP,
    MARKET_DATA_MIRROR,
    MARKET_DATA_COMPACT,
    MARKET_DATA_REFRESH_QUOTES,
    MARKET_DATA_REFRESH_SYMBOLS,
    MARKET_DATA_INDICATORS,
)
#: One task of each queue that has any, for what is done by queue. A message that its name is on may be of another
#: task of the queue: whoever takes it looks into the job's record for what to run.
ONE_PER_QUEUE = tuple({spec.queue: spec for spec in reversed(CATALOG)}.values())


def get_task(name: str) -> TaskSpec:
    """Return the spec of a task name.

    Raises:
        KeyError: no task has this name.

    """
    return _BY_NAME[name]


_BY_NAME = {spec.name: spec for spec in CATALOG}
