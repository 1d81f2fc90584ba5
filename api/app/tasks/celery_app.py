"""The Celery app by its name in the specification: `celery -A app.tasks.celery_app`."""

from kaboom.worker.celery_app import celery_app

__all__ = ["celery_app"]
