"""A folder in a bucket of Google Cloud Storage, or of S3 and servers that speak its protocol."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import GCSStore, S3Store

from kaboom.drivers.objects import LocalFolder, ObjectFolder, Stored
from kaboom.errors import Conflict, Forbidden, InvalidRequest, NotFound, StoreError

if TYPE_CHECKING:
    from obstore import PutMode, UpdateVersion
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

_URL = re.compile(r"(s3|gs)://([a-z0-9][a-z0-9._-]{1,220}[a-z0-9])(/.*)?")
#: A server that does not answer is reported within seconds: twice 5 s to connect, and the pause between.
_CONNECT = "5s"
_RETRY: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}
#: The text of obstore about a request that failed: its URL, how long it took, and the cause.
_FAILED = re.compile(r"Error performing \w+ (?P<url>[^ ?]+)\S* in .*? - (?P<why>.*)")
#: The cause in the answer of a server, in XML.
_CODE, _SAID = re.compile(r"<Code>(.*?)</Code>"), re.compile(r"<Message>(.*?)</Message>")
_LONGEST = 200


def open_objects(place: str) -> ObjectFolder:
    """Return the folder at `s3://bucket/folder`, at `gs://bucket/folder` or at a path; nothing is asked yet.

    The credentials of a bucket are those of the environment or of the machine: `AWS_ACCESS_KEY_ID`,
    `AWS_SECRET_ACCESS_KEY`, `AWS_REGION` and `AWS_ENDPOINT_URL`, or `GOOGLE_APPLICATION_CREDENTIALS`.

    Raises:
        InvalidRequest: the URL names no bucket, or is of another kind.

    """
    if "://" not in place:
        return LocalFolder(Path(place))
    if not (parts := _URL.fullmatch(place)):
        raise InvalidRequest(
            f"the place was {place[:80]!r}, expected a folder, s3://bucket/folder or gs://bucket/folder"
        )
    place = place.rstrip("/")
    # Plain HTTP only if the user's AWS_ENDPOINT_URL says so.
    options: ClientConfig = {"connect_timeout": _CONNECT, "allow_http": parts[1] == "s3"}
    with _translated(place):
        # One for each protocol, which differ in the types of their other parameters.
        store = (
            S3Store.from_url(place, client_options=options, retry_config=_RETRY)
            if parts[1] == "s3"
            else GCSStore.from_url(place, client_options=options, retry_config=_RETRY)
        )
    return BucketFolder(place, store)


@dataclass(frozen=True, slots=True)
class BucketFolder:
    """A folder in a bucket. Two writers do not see each other until `swap`, which the second one fails."""

    url: str
    store: "ObjectStore"

    @property
    def place(self) -> str:
        return self.url

    @property
    def desk(self) -> Path | None:
        return None

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        # A lock in a bucket would outlive a process that was killed.
        yield

    async def list_names(self) -> list[str]:
        return await self._do(lambda: sorted(meta["path"] for meta in obstore.list(self.store).collect()))

    async def read(self, name: str) -> Stored | None:
        try:
            return await self._do(partial(self._read, name))
        except NotFound as e:
            if "NoSuchBucket" in str(e.__cause__):
                raise
            return None

    def _read(self, name: str) -> Stored:
        found = obstore.get(self.store, name)
        tag = {key: value for key in ("e_tag", "version") if (value := found.meta.get(key)) is not None}
        return Stored(bytes(found.bytes()), tag)

    async def add(self, name: str, path: Path) -> None:
        await self._do(partial(obstore.put, self.store, name, path))

    async def replace(self, name: str, content: bytes) -> None:
        await self._do(partial(obstore.put, self.store, name, content))

    async def swap(self, name: str, content: bytes, old: Stored | None) -> None:
        mode: PutMode = "create" if old is None else cast("UpdateVersion", old.tag)
        try:
            await self._do(partial(obstore.put, self.store, name, content, mode=mode))
        except StoreError as e:
            if isinstance(e.__cause__, (AlreadyExistsError, PreconditionError)):
                raise Conflict(f"another process wrote {name} in {self.place} meanwhile: run it again") from e
            raise

    async def delete(self, names: Collection[str]) -> None:
        if names:
            await self._do(partial(obstore.delete, self.store, sorted(names)))

    async def _do[T](self, work: Callable[[], T]) -> T:
        """Call obstore in a thread: its own coroutines may abort a process that ends at once after an error."""
        with _translated(self.place):
            return await asyncio.to_thread(work)


@contextmanager
def _translated(place: str) -> Iterator[None]:
    """Translate the errors of obstore, whose texts go on with the source of the error in Rust."""
    try:
        yield
    except (BaseError, FileNotFoundError) as e:
        text = str(e)
        code, said = (found[1] if (found := pattern.search(text)) else "" for pattern in (_CODE, _SAID))
        failed, first = _FAILED.search(text), text.partition("\n")[0]
        why = f"{code}: {said}" if code else f"{failed['url']}: {failed['why']}" if failed else first
        why = why[:_LONGEST]
        if code == "NoSuchBucket" or isinstance(e, FileNotFoundError):
            raise NotFound(f"{place} cannot be used: {why}") from e
        is_refused = isinstance(e, (PermissionDeniedError, UnauthenticatedError))
        if is_refused or code in {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
            raise Forbidden(f"{place} refused the credentials: {why}") from e
        raise StoreError(f"{place} cannot be used: {why}") from e
