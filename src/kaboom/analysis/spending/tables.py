"""The tables of the spending on AI models; `src/kaboom/migrations` creates them."""

from sqlalchemy import BigInteger, Column, Date, DateTime, Index, Integer, Table, Text, text
from sqlalchemy.sql import func

from kaboom.jobs.postgres.tables import METADATA, texts

#: Micro-dollars reserved or spent in each scope: `day:<YYYY-MM-DD>` and `job:<id>`.
AI_SPENDING = Table(
    "ai_spending",
    METADATA,
    Column("scope", Text, primary_key=True),
    Column("used", BigInteger, nullable=False, server_default="0"),
)

#: Calls of models. No foreign key: the spending stays when its job is deleted.
AI_CALLS = Table(
    "ai_calls",
    METADATA,
    Column("call_id", Text, primary_key=True),
    *texts("key", "job_id"),
    Column("day", Date, nullable=False),
    *texts("model", "prompt_version"),
    Column("reserved", BigInteger, nullable=False),
    Column("cost", BigInteger),
    Column("prompt_tokens", Integer, nullable=False, server_default="0"),
    Column("completion_tokens", Integer, nullable=False, server_default="0"),
    Column("latency_ms", Integer, nullable=False, server_default="0"),
    Column("answer", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("settled_at", DateTime(timezone=True)),
    Index("ai_calls_kept", "key", postgresql_where=text("answer IS NOT NULL OR settled_at IS NULL")),
    Index("ai_calls_by_job", "job_id"),
    Index("ai_calls_by_key", "key"),
    Index("ai_calls_by_age", "created_at"),
)

#: The circuit breaker: until the time in `until`, no model is called.
AI_BREAKERS = Table(
    "ai_breakers",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("opened_at", DateTime(timezone=True)),
)
