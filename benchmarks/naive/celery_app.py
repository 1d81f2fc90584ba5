"""The peer's Celery application: defaults, and a result backend."""

import os

from celery import Celery

celery_app = Celery("naive", broker=os.environ["NAIVE_REDIS_URL"], backend=os.environ["NAIVE_REDIS_URL"])
celery_app.conf.update(task_default_queue="naive", broker_connection_retry_on_startup=True)


@celery_app.task(name="naive.run_daily")
def run_daily(job_id: str, request: dict[str, object]) -> str:
    """Do nothing."""
    del request
    return job_id
