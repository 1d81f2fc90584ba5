"""Opaque cursors over the job list: the place of the last job already seen."""

import base64
import binascii
from datetime import datetime

import orjson

from app.jobs.model import Job
from batch.errors import InvalidRequest

_NOT_OURS = "cursor was not one that this API gave out: take next_cursor of the page before"


def encode_cursor(job: Job) -> str:
    """Return the cursor of the page after a job."""
    place = [job.requested_at.isoformat() if job.requested_at else "", job.job_id]
    return base64.urlsafe_b64encode(orjson.dumps(place)).decode().rstrip("=")


def decode_cursor(text: str) -> tuple[datetime, str]:
    """Return the place that a cursor names.

    Raises:
        InvalidRequest: it is not a cursor.

    """
    try:
        at, job_id = orjson.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        place = datetime.fromisoformat(at), str(job_id)
    except (binascii.Error, ValueError, TypeError) as e:
        raise InvalidRequest(_NOT_OURS) from e
    # What no job has would trip the ledger: a time without a zone, an id with a NUL.
    if place[0].tzinfo is None or not place[1].isalnum():
        raise InvalidRequest(_NOT_OURS)
    return place
