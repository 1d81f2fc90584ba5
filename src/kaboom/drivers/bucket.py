"""A folder in a bucket of Google Cloud Storage, or of S3 and servers that speak its protocol."""

import os
import re
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
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
#: The cause in the answer of a server (XML), and the status of its answer.
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
        raise InvalidRequest(f"the place was {place[:80]!r}, expected a folder, s3://bucket/folder or gs://bucket/folder")
    place = place.rstrip("/")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    is_plain = parts[1] == "s3" and endpoint.startswith("http://")
    options: ClientConfig = {"connect_timeout": _CONNECT, "allow_http": is_plain}
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

    place: str
    store: "ObjectStore"

    @property
    def desk(self) -> Path | None:
        return None

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        # A lock in a bucket would outlive a process that was killed.
        yield

    async def list_names(self) -> list[str]:
        with _translated(self.place):
            return sorted(meta["path"] for meta in await obstore.list(self.store).collect_async())

    async def read(self, name: str) -> Stored | None:
        try:
            with _translated(self.place):
                found = await obstore.get_async(self.store, name)
                tag = {key: value for key in ("e_tag", "version") if (value := found.meta.get(key)) is not None}
                return Stored(bytes(await found.bytes_async()), tag)
        except NotFound as e:
            if isinstance(e.__cause__, FileNotFoundError) and "NoSuchBucket" not in str(e.__cause__):
                return None
            raise

    async def add(self, name: str, path: Path) -> None:
        with _translated(self.place):
            await obstore.put_async(self.store, name, path)

    async def replace(self, name: str, content: bytes) -> None:
        with _translated(self.place):
            await obstore.put_async(self.store, name, content)

    async def swap(self, name: str, content: bytes, old: Stored | None) -> None:
        with _translated(self.place):
            mode: PutMode = "create" if old is None else cast("UpdateVersion", old.tag)
            try:
                await obstore.put_async(self.store, name, content, mode=mode)
            except (AlreadyExistsError, PreconditionError) as e:
                raise Conflict(f"another process wrote {name} in {self.place} meanwhile: run it again") from e

    async def delete(self, names: Collection[str]) -> None:
        if names:
            with _translated(self.place):
                await obstore.delete_async(self.store, sorted(names))


@contextmanager
def _translated(place: str) -> Iterator[None]:
    """Translate the errors of obstore, whose texts go on with the source of the error in Rust."""
    try:
        yield
    except (BaseError, FileNotFoundError) as e:
        text = str(e)
        code, said = (found[1] if (found := pattern.search(text)) else "" for pattern in (_CODE, _SAID))
        why = f"{code}: {said}"[:_LONGEST] if code else text.partition("\n")[0][:_LONGEST]
        if code == "NoSuchBucket" or isinstance(e, FileNotFoundError):
            raise NotFound(f"{place} cannot be used: {why}") from e
        is_refused = isinstance(e, (PermissionDeniedError, UnauthenticatedError))
        if is_refused or code in {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"}:
            raise Forbidden(f"{place} refused the credentials: {why}") from e
        raise StoreError(f"{place} cannot be used: {why}") from e
