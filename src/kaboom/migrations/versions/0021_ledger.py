"""The ledger: every table, index and trigger; later migrations add to it (decision 0102)."""

from alembic import op

revision = "0021"
down_revision = None
branch_labels = None
depends_on = None

_JOBS = """
CREATE TABLE jobs (
    job_id text PRIMARY KEY,
    queue text NOT NULL, task text NOT NULL, owner text NOT NULL, status text NOT NULL,
    request jsonb NOT NULL,
    plan jsonb,
    parent_id text,
    attempt integer NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz, completed_at timestamptz,
    total integer NOT NULL DEFAULT 0, done integer NOT NULL DEFAULT 0,
    failed integer NOT NULL DEFAULT 0, cancelled integer NOT NULL DEFAULT 0,
    written integer NOT NULL DEFAULT 0, chunks_total integer NOT NULL DEFAULT 0,
    chunks_done integer NOT NULL DEFAULT 0, dead integer NOT NULL DEFAULT 0,
    rows bigint NOT NULL DEFAULT '0',
    rate double precision,
    outcomes jsonb NOT NULL DEFAULT '{}', counts jsonb NOT NULL DEFAULT '{}',
    error jsonb,
    overlap_key text,
    result jsonb
);
CREATE INDEX jobs_newest ON jobs (queue, requested_at, job_id);
CREATE INDEX jobs_by_status ON jobs (queue, status, requested_at);
CREATE INDEX jobs_by_completion ON jobs (queue, completed_at);
CREATE INDEX jobs_children ON jobs (parent_id) WHERE parent_id IS NOT NULL;
-- One unfinished job for each request that may be joined.
CREATE UNIQUE INDEX jobs_overlap ON jobs (owner, overlap_key)
    WHERE overlap_key IS NOT NULL AND status IN ('queued', 'running');
CREATE TABLE job_chunks (
    job_id text REFERENCES jobs ON DELETE CASCADE,
    n integer,
    items jsonb NOT NULL, payload jsonb NOT NULL,
    state text NOT NULL,
    attempts integer NOT NULL,
    tally jsonb NOT NULL,
    ended_at timestamptz,
    runs jsonb NOT NULL DEFAULT '[]',
    PRIMARY KEY (job_id, n)
);
CREATE INDEX job_chunks_dead ON job_chunks (ended_at, job_id, n) WHERE state = 'dead';
CREATE TABLE job_files (
    job_id text REFERENCES jobs ON DELETE CASCADE,
    name text,
    body bytea NOT NULL,
    PRIMARY KEY (job_id, name)
);
-- They are compressed already.
ALTER TABLE job_files ALTER body SET STORAGE EXTERNAL;
CREATE TABLE idempotency_keys (
    owner text, key text,
    fingerprint text NOT NULL, job_id text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (owner, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
CREATE TABLE webhook_deliveries (
    delivery_id text PRIMARY KEY,
    place bigint UNIQUE GENERATED ALWAYS AS IDENTITY,
    job_id text NOT NULL, owner text NOT NULL, url text NOT NULL, host text NOT NULL,
    status text NOT NULL,
    body text,
    attempts integer NOT NULL DEFAULT 0,
    last_status integer,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at timestamptz, ended_at timestamptz,
    CONSTRAINT webhook_deliveries_once UNIQUE (job_id, url)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (next_attempt_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (owner, place);
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (ended_at) WHERE ended_at IS NOT NULL;
"""

# Triggers keep how many jobs are in each state, of all owners and of each: statistics do not count the history again each
# time. Changes are only ever added, so that no two transactions wait for the same row; a reader takes their sum.
_COUNTS = """
CREATE TABLE job_counts (queue text NOT NULL, status text NOT NULL, jobs bigint NOT NULL);
CREATE TABLE owner_job_counts (owner text NOT NULL, queue text NOT NULL, status text NOT NULL, jobs bigint NOT NULL);
"""
_COUNT = """
CREATE FUNCTION count_{name}_insert() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
INSERT INTO {table} SELECT {key}, count(*) FROM new_jobs GROUP BY {group}; RETURN NULL; END $$;
CREATE FUNCTION count_{name}_delete() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
INSERT INTO {table} SELECT {key}, -count(*) FROM old_jobs GROUP BY {group}; RETURN NULL; END $$;
CREATE FUNCTION count_{name}_update() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
INSERT INTO {table} SELECT {key}, sum(n) FROM (SELECT {key}, 1 AS n FROM new_jobs \
UNION ALL SELECT {key}, -1 FROM old_jobs) AS changed GROUP BY {group} HAVING sum(n) <> 0; RETURN NULL; END $$;
CREATE FUNCTION count_{name}_truncate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
DELETE FROM {table}; RETURN NULL; END $$;
CREATE TRIGGER count_{name}_insert AFTER INSERT ON jobs REFERENCING NEW TABLE AS new_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION count_{name}_insert();
CREATE TRIGGER count_{name}_delete AFTER DELETE ON jobs REFERENCING OLD TABLE AS old_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION count_{name}_delete();
CREATE TRIGGER count_{name}_update AFTER UPDATE ON jobs REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION count_{name}_update();
CREATE TRIGGER count_{name}_truncate AFTER TRUNCATE ON jobs
    FOR EACH STATEMENT EXECUTE FUNCTION count_{name}_truncate();
"""

_SCHEDULES = """
CREATE TABLE schedules (
    schedule_id text PRIMARY KEY,
    owner text NOT NULL, name text NOT NULL, task text NOT NULL,
    request jsonb NOT NULL,
    kind text NOT NULL, timing text NOT NULL, missed text NOT NULL,
    max_late_h integer NOT NULL,
    is_enabled boolean NOT NULL,
    next_at timestamptz, last_at timestamptz,
    last_job_id text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT schedules_name UNIQUE (owner, name)
);
CREATE INDEX schedules_due ON schedules (next_at) WHERE is_enabled;
CREATE TABLE schedule_firings (
    schedule_id text REFERENCES schedules ON DELETE CASCADE,
    due_at timestamptz,
    outcome text NOT NULL,
    fired_at timestamptz NOT NULL,
    job_id text,
    is_manual boolean NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (schedule_id, due_at)
);
-- Once: whoever deletes it does not get it back.
INSERT INTO schedules (schedule_id, owner, name, task, request, kind, timing, missed, max_late_h, is_enabled) VALUES
    (replace(gen_random_uuid()::text, '-', ''), 'ingest', 'daily ingest', 'ingest.run_daily',
     '{"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 5000}', 'session', '16:35', 'latest', 72, false);
"""

_ACCOUNTS = """
-- Keys that all API processes share and no caller holds, sealed; the first is what cursors are signed with.
CREATE TABLE api_keys (name text PRIMARY KEY, key bytea NOT NULL);
CREATE TABLE users (
    user_id text PRIMARY KEY,
    owner text NOT NULL,
    name text NOT NULL UNIQUE,
    password_hash text NOT NULL, role text NOT NULL,
    is_disabled boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX users_of_owner ON users (owner, name);
CREATE TABLE tokens (
    token_id text PRIMARY KEY,
    owner text NOT NULL, name text NOT NULL,
    scopes text[] NOT NULL,
    digest text NOT NULL, created_by text NOT NULL,
    expires_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_used_at timestamptz, revoked_at timestamptz
);
CREATE INDEX tokens_of_owner ON tokens (owner, created_at);
CREATE TABLE browser_sessions (
    session_id text PRIMARY KEY,
    subject text NOT NULL, owner text NOT NULL, name text NOT NULL, method text NOT NULL,
    role text,
    scopes text[] NOT NULL,
    created_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    address text NOT NULL DEFAULT '', agent text NOT NULL DEFAULT '',
    confirmed_at timestamptz
);
CREATE INDEX browser_sessions_expiry ON browser_sessions (expires_at);
CREATE INDEX browser_sessions_of_owner ON browser_sessions (owner, seen_at);
CREATE TABLE sign_outs (subject text PRIMARY KEY, at timestamptz NOT NULL);
CREATE TABLE audit_log (
    line_id text PRIMARY KEY,
    place bigint UNIQUE GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    owner text NOT NULL, subject text NOT NULL, name text NOT NULL, method text NOT NULL,
    action text NOT NULL, target text NOT NULL,
    status integer NOT NULL,
    address text NOT NULL, request_id text NOT NULL,
    reason text NOT NULL DEFAULT ''
);
CREATE INDEX audit_log_newest ON audit_log (owner, place);
CREATE INDEX audit_log_age ON audit_log (at);
CREATE FUNCTION guard_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < now() - interval '400 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_log_rows BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION guard_audit_log();
CREATE TRIGGER audit_log_whole BEFORE TRUNCATE ON audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION guard_audit_log();
"""

# A portfolio is never deleted: `deleted_at` hides it. Its entries are append-only, and the postings of each add up to zero.
_PORTFOLIOS = """
CREATE TABLE portfolios (
    portfolio_id text PRIMARY KEY,
    owner text NOT NULL, name text NOT NULL, provider text NOT NULL,
    lot integer NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    entries integer NOT NULL DEFAULT 0,
    cash numeric(24, 4) NOT NULL DEFAULT '0' CHECK (cash >= 0),
    deleted_at timestamptz
);
CREATE UNIQUE INDEX portfolios_of_owner ON portfolios (owner, name);
CREATE TABLE portfolio_entries (
    entry_id text PRIMARY KEY,
    portfolio_id text NOT NULL REFERENCES portfolios,
    owner text NOT NULL,
    place integer NOT NULL,
    day date NOT NULL,
    kind text NOT NULL, symbol text NOT NULL,
    quantity bigint NOT NULL,
    price numeric(24, 4) NOT NULL, fee numeric(24, 4) NOT NULL, amount numeric(24, 4) NOT NULL,
    note text NOT NULL, reverses text NOT NULL,
    created_at timestamptz NOT NULL,
    created_by text NOT NULL
);
CREATE UNIQUE INDEX portfolio_entries_in_order ON portfolio_entries (portfolio_id, place);
CREATE UNIQUE INDEX portfolio_entries_reversed ON portfolio_entries (reverses) WHERE reverses <> '';
CREATE TABLE portfolio_postings (
    portfolio_id text,
    entry_id text REFERENCES portfolio_entries,
    account text,
    owner text NOT NULL,
    amount numeric(24, 4) NOT NULL,
    PRIMARY KEY (portfolio_id, entry_id, account)
);
CREATE TABLE portfolio_keys (
    owner text, key text,
    fingerprint text NOT NULL, portfolio_id text NOT NULL,
    first_place integer NOT NULL, last_place integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (owner, key)
);
CREATE INDEX portfolio_keys_age ON portfolio_keys (created_at);
CREATE FUNCTION guard_portfolio_entries() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of portfolios are append-only: % is refused', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER portfolio_entries_rows BEFORE UPDATE OR DELETE ON portfolio_entries
    FOR EACH ROW EXECUTE FUNCTION guard_portfolio_entries();
CREATE TRIGGER portfolio_entries_whole BEFORE TRUNCATE ON portfolio_entries
    FOR EACH STATEMENT EXECUTE FUNCTION guard_portfolio_entries();
CREATE TRIGGER portfolio_postings_rows BEFORE UPDATE OR DELETE ON portfolio_postings
    FOR EACH ROW EXECUTE FUNCTION guard_portfolio_entries();
CREATE TRIGGER portfolio_postings_whole BEFORE TRUNCATE ON portfolio_postings
    FOR EACH STATEMENT EXECUTE FUNCTION guard_portfolio_entries();
CREATE FUNCTION check_portfolio_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (SELECT sum(amount) FROM portfolio_postings
        WHERE portfolio_id = NEW.portfolio_id AND entry_id = NEW.entry_id) <> 0 THEN
        RAISE EXCEPTION 'the postings of entry % do not add up to zero', NEW.entry_id USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER portfolio_postings_balance AFTER INSERT ON portfolio_postings
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION check_portfolio_balance();
"""

_SPENDING = """
CREATE TABLE ai_spending (scope text PRIMARY KEY, used bigint NOT NULL DEFAULT '0');
CREATE TABLE ai_calls (
    call_id text PRIMARY KEY,
    key text NOT NULL, job_id text NOT NULL,
    day date NOT NULL,
    model text NOT NULL, prompt_version text NOT NULL,
    reserved bigint NOT NULL,
    cost bigint,
    prompt_tokens integer NOT NULL DEFAULT 0, completion_tokens integer NOT NULL DEFAULT 0,
    latency_ms integer NOT NULL DEFAULT 0,
    answer text,
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    settled_at timestamptz
);
CREATE INDEX ai_calls_kept ON ai_calls (key) WHERE answer IS NOT NULL OR settled_at IS NULL;
CREATE INDEX ai_calls_by_job ON ai_calls (job_id);
-- A call without an answer is looked for, too: it may have been paid.
CREATE INDEX ai_calls_by_key ON ai_calls (key);
CREATE INDEX ai_calls_by_age ON ai_calls (created_at);
CREATE TABLE ai_breakers (
    name text PRIMARY KEY,
    reason text NOT NULL,
    until timestamptz NOT NULL,
    opened_at timestamptz
);
"""

_NOTIFICATIONS = """
CREATE TABLE notification_channels (
    channel_id text PRIMARY KEY,
    owner text NOT NULL, name text NOT NULL, kind text NOT NULL, service text NOT NULL,
    host text NOT NULL,
    sealed bytea NOT NULL,
    is_enabled boolean NOT NULL,
    rests_until timestamptz,
    failures integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX notification_channels_of_owner ON notification_channels (owner, name);
CREATE TABLE notification_rules (
    rule_id text PRIMARY KEY,
    owner text NOT NULL, name text NOT NULL,
    channel_id text NOT NULL REFERENCES notification_channels,
    events text[] NOT NULL,
    "only" jsonb NOT NULL,
    quiet_from text, quiet_until text, digest_at text,
    digest_minutes integer,
    deadline text,
    language text NOT NULL,
    is_enabled boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX notification_rules_of_owner ON notification_rules (owner, name);
CREATE INDEX notification_rules_of_channel ON notification_rules (channel_id);
CREATE TABLE notification_events (
    event_id text PRIMARY KEY,
    place bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL, owner text NOT NULL,
    data jsonb NOT NULL,
    at timestamptz NOT NULL,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    routed_at timestamptz
);
CREATE INDEX notification_events_new ON notification_events (place) WHERE routed_at IS NULL;
CREATE INDEX notification_events_by_age ON notification_events (noted_at);
CREATE TABLE notification_messages (
    message_id text PRIMARY KEY,
    place bigint UNIQUE GENERATED ALWAYS AS IDENTITY,
    owner text NOT NULL,
    channel_id text NOT NULL REFERENCES notification_channels ON DELETE CASCADE,
    key text NOT NULL UNIQUE,
    event_ids text[] NOT NULL,
    rule_id text NOT NULL, rule_name text NOT NULL, language text NOT NULL, status text NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    last_status integer,
    last_error text,
    took_ms integer,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_attempt_at timestamptz, ended_at timestamptz
);
CREATE INDEX notification_messages_due ON notification_messages (channel_id, next_attempt_at)
    WHERE status IN ('waiting', 'pending');
CREATE INDEX notification_messages_newest ON notification_messages (owner, place);
CREATE INDEX notification_messages_ended ON notification_messages (ended_at) WHERE ended_at IS NOT NULL;
"""


def upgrade() -> None:
    for part in (
        _JOBS,
        _COUNTS,
        _COUNT.format(name="jobs", table="job_counts", key="queue, status", group="queue, status"),
        _COUNT.format(name="owner_jobs", table="owner_job_counts", key="owner, queue, status", group="1, 2, 3"),
        _SCHEDULES,
        _ACCOUNTS,
        _PORTFOLIOS,
        _SPENDING,
        _NOTIFICATIONS,
    ):
        # Sent as it is: SQLAlchemy reads `:name` in a text as a parameter, and psycopg `%`.
        op.get_bind().exec_driver_sql(part.replace("%", "%%"))
