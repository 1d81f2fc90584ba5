"""The files of jobs in memory; they are lost when the process ends."""

from collections.abc import Mapping

from kaboom.jobs.postgres.files.port import check_size


class MemoryJobFiles:
    """`JobFiles` in memory."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, bytes]] = {}

    async def save(self, job_id: str, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            check_size(name, content)
        self._files.setdefault(job_id, {}).update(files)

    async def load(self, job_id: str, name: str) -> bytes | None:
        return self._files.get(job_id, {}).get(name)

    async def load_all(self, job_id: str, prefix: str) -> dict[str, bytes]:
        kept = self._files.get(job_id, {})
        return {name: content for name, content in sorted(kept.items()) if name.startswith(prefix)}

    async def drop(self, job_id: str, prefix: str) -> None:
        for name in await self.load_all(job_id, prefix):
            del self._files[job_id][name]
