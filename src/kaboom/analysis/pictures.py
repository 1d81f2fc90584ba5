"""The picture of a symbol's bars: saved with its job, and sent to models only if an operator allows it."""

import structlog

from kaboom.errors import KaboomError
from kaboom.jobs.postgres.files import JobFiles
from kaboom.pictures.model import Picture
from kaboom.pictures.process import PictureProcess
from kaboom.text.catalogue import Language

_log = structlog.get_logger(__name__)


def name_of(subject: str) -> str:
    """Return the name of the JSON file with the picture of a subject."""
    return f"picture-{subject}.json"


async def keep_pictures(files: JobFiles, job_id: str, pictures: dict[str, Picture]) -> None:
    """Save the pictures of a job by subject; they still show the judged bars if bars are corrected later.

    Raises:
        StoreError: the ledger is unavailable.

    """
    if pictures:
        await files.save(
            job_id, {name_of(subject): each.model_dump_json().encode() for subject, each in pictures.items()}
        )


async def draw_for_models(process: PictureProcess, picture: Picture, language: Language) -> bytes:
    """Return a picture as PNG; empty if it cannot be drawn, since models can answer without it."""
    try:
        return await process.draw(picture, language=language)
    except KaboomError as e:
        _log.warning("ai_picture_not_drawn", reason=e.message)
        return b""
