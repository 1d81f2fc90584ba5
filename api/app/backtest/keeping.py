"""Where the trials of a sweep are kept until it ends."""

from app.ledger.files.port import JobFiles

#: How the names of files with trials begin.
TRIALS = "trials/"


async def keep_trials(files: JobFiles, job_id: str, name: str, content: bytes) -> None:
    """Keep some trials; on return they are durable. The same trials again replace themselves.

    Raises:
        StoreError: they could not be kept.

    """
    await files.save(job_id, {f"{TRIALS}{name}": content})
