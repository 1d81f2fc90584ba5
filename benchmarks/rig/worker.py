"""The worker's Celery application with handlers that do nothing, or with the real ones, timed or plain.

Usage: celery -A benchmarks.rig.worker worker …, which is `app.tasks.celery_app` in all else.
"""

import os
from dataclasses import replace

from app.engine import catalog
from benchmarks.rig.stopwatch import install_stopwatch

if os.environ.get("KABOOM_BENCH_HANDLERS") == "none":
    _idle = replace(
        catalog.INGEST_RUN_DAILY,
        plan_handler="benchmarks.rig.handlers:plan",
        chunk_handler="benchmarks.rig.handlers:chunk",
    )
    catalog._BY_NAME[_idle.name] = _idle  # noqa: SLF001  the one seam: a handler is looked up here by name
elif os.environ.get("KABOOM_BENCH_HANDLERS") == "real":
    install_stopwatch()

from app.tasks.celery_app import celery_app

__all__ = ["celery_app"]
