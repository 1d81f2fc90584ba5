"""Every Redis key that Kaboom writes; `docs/reference/redis-keys.md` lists the same keys."""

WORKERS = "kaboom:workers"
EPOCH = "kaboom:epoch"
PROBE = "kaboom:probe"
RESULTS = "kaboom:results"
#: Which jobs have changed, of all queues.
CHANGES = "kaboom:changes"


def job(queue: str, job_id: str) -> str:
    """Return the key of a job's live record, a hash."""
    return f"{queue}:job:{job_id}"


def chunks(queue: str, job_id: str) -> str:
    """Return the key of a job's chunks, a hash of `field:n`."""
    return f"{queue}:job:{job_id}:chunks"


def events(queue: str, job_id: str) -> str:
    """Return the key of a job's event stream."""
    return f"{queue}:job:{job_id}:events"


def logs(queue: str, job_id: str) -> str:
    """Return the key of a job's log, a stream."""
    return f"{queue}:job:{job_id}:logs"


def newest(queue: str) -> str:
    """Return the key of the list of the newest job ids."""
    return f"{queue}:jobs"


def active(queue: str) -> str:
    """Return the key of the sorted set of jobs whose end is not known to be in the ledger yet."""
    return f"{queue}:active"


def dispatch(queue: str) -> str:
    """Return the key of the sorted set of chunks that wait for a claim, by the time to send them again."""
    return f"{queue}:dispatch"


def retries(queue: str) -> str:
    """Return the key of the sorted set of chunks whose message is consumed, by the time they may run again."""
    return f"{queue}:retries"


def leases(queue: str) -> str:
    """Return the key of the sorted set of running chunks, by the end of their lease."""
    return f"{queue}:leases"


def worker(name: str) -> str:
    """Return the key of the facts that a worker reports."""
    return f"kaboom:worker:{name}"


def calls(policy: str, caller: str) -> str:
    """Return the key of the number of calls that a caller has reserved in the window of a rate limit."""
    return f"kaboom:calls:{policy}:{caller}"


def failed_logins(kind: str, name: str) -> str:
    """Return the key of the failed logins of a `device`, an `address`, an `account` or a `place`, a hash."""
    return f"kaboom:logins:{kind}:{name}"


def known_place(account: str, address: str) -> str:
    """Return the key that exists if an account has logged in from an address."""
    return f"kaboom:logins:known:{account} {address}"


def celery_result(task_id: str) -> str:
    """Return the key of Celery's result of a task; a job's own task has the job's id."""
    return f"celery-task-meta-{task_id}"


def of_job(queue: str, job_id: str) -> list[str]:
    """Return the keys that every Lua script needs, in the order of `lua/prelude.lua`."""
    return [
        job(queue, job_id),
        chunks(queue, job_id),
        events(queue, job_id),
        newest(queue),
        active(queue),
        dispatch(queue),
        leases(queue),
        retries(queue),
        logs(queue, job_id),
        CHANGES,
    ]
