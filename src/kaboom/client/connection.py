"""Finding a Kaboom: one that runs, a data folder that one left, or a mirror."""

from pathlib import Path

from kaboom.client.aio import AsyncKaboom
from kaboom.client.client import Kaboom
from kaboom.client.places import find_data_dir, find_run, find_token, find_url
from kaboom.client.server import ServerSource
from kaboom.client.wire import BUSY, TOO_MANY, Retries, Wire
from kaboom.errors import KaboomError, NeedsServer, NotAuthorized, Unavailable

#: A read that was put off is made again so often.
_RETRIES = Retries(3, (TOO_MANY, BUSY))


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    data_dir: str | Path | None = None,
    mirror: str | Path | None = None,
    language: str = "en",
) -> Kaboom:
    """Return a Kaboom to ask.

    Args:
        url: the address of a running one; by default KABOOM_API_URL, else the one that runs on the data folder.
        token: by default INGEST_API_TOKEN, else the one in the data folder. Without a URL, a token from outside of the
            folder goes only to a Kaboom that was started with it.
        data_dir: by default KABOOM_DATA_DIR, else the nearest `.kaboom`. Without a running Kaboom its bars are read.
        mirror: a folder that `kaboom bars mirror` wrote, read in place of all these.
        language: of what the server says of problems, `en` or `ja`.

    Raises:
        NeedsServer: none is named, none runs, and there is no data folder.
        NotAuthorized: there is no token, or the Kaboom on the data folder was not started with it.
        ConfigurationError: another user can have written the files of the data folder.
        Unavailable: the server that was named does not answer.

    """
    if mirror is not None:
        from kaboom.client.folder import MirrorSource  # noqa: PLC0415  polars, which a server does without until it is asked

        return Kaboom(MirrorSource(Path(mirror)))
    folder = find_data_dir(data_dir)
    if (found := find_url(url, folder)) and (
        wire := _open(found, find_token(folder, named_url=url, given=token), folder, language)
    ):
        return Kaboom(ServerSource(wire), wire)
    if not (folder / "bars").is_dir():
        place = folder.absolute()
        raise NeedsServer(
            f"no Kaboom runs here, and {place} has no bars: run `kaboom up`, or give url, data_dir or mirror"
        )
    from kaboom.client.folder import FolderSource  # noqa: PLC0415  the same

    return Kaboom(FolderSource(folder))


def connect_async(
    url: str | None = None,
    token: str | None = None,
    *,
    data_dir: str | Path | None = None,
    mirror: str | Path | None = None,
    language: str = "en",
) -> AsyncKaboom:
    """Return a Kaboom to ask from coroutines; the arguments and errors are those of `connect`."""
    return AsyncKaboom(connect(url, token, data_dir=data_dir, mirror=mirror, language=language))


def _open(url: str, token: str | None, folder: Path, language: str) -> Wire | None:
    """Return a wire to a server; None where one that ran on the folder has ended."""
    if not token:
        raise NotAuthorized(f"there is no token for {url}: give one, or set INGEST_API_TOKEN")
    wire = Wire(url, token, language=language, retries=_RETRIES)
    try:
        wire.ask("GET", "/healthz")
    except Unavailable:
        if url == find_run(folder).get("api_url"):
            return None
        raise
    except KaboomError:
        # It answers; the first question says what is wrong.
        return wire
    return wire
