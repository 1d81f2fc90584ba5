"""The worker's Celery application with handlers that do nothing, or with the real ones, timed or plain.

Usage: celery -A benchmarks.rig.worker worker …, which is `app.tasks.celery_app` in all else.
"""

import os
from dataclasses import replace

from benchmarks.rig.stopwatch import install_stopwatch
from kaboom.catalog import CATALOG
from kaboom.ingest.jobs import RUN_DAILY

if os.environ.get("KABOOM_BENCH_HANDLERS") == "none":
    _idle = replace(
        RUN_DAILY,
        plan="benchmarks.rig.handlers:plan",
        run_chunk="benchmarks.rig.handlers:chunk",
    )
    CATALOG._by_name[_idle.name] = _idle  # noqa: SLF001  the one seam: a handler is looked up here by name
elif os.environ.get("KABOOM_BENCH_HANDLERS") == "real":
    install_stopwatch()

from kaboom.worker.celery_app import celery_app

__all__ = ["celery_app"]
