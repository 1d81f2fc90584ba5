"""`python -m kaboom.worker …` runs a worker as `celery -A app.tasks.celery_app worker …` does, with the same options.

The `celery` command imports its other commands, its shell and those of plugins, and every process of a worker keeps
them: 13 MB.
"""

from celery.bin.base import CLIContext
from celery.bin.worker import worker

from kaboom.worker.celery_app import celery_app

if __name__ == "__main__":
    # Quiet: Celery's banner would end a worker whose log is on a full disk.
    context = CLIContext(celery_app, no_color=True, workdir=None, quiet=True)
    worker.main(prog_name="kaboom worker", obj=context, auto_envvar_prefix="CELERY_WORKER")
