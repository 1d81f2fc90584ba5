"""Finding a Kaboom: one that runs, a data folder that one left, or a mirror; and the tables of one that runs."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kaboom.client.aio import AsyncKaboom
from kaboom.client.client import Kaboom
from kaboom.client.places import find_data_dir, find_run, find_token, find_url
from kaboom.client.source import Asked, to_text
from kaboom.client.wire import BUSY, TOO_MANY, Retries, Wire
from kaboom.errors import KaboomError, NeedsServer, NotAuthorized, Unavailable

if TYPE_CHECKING:
    import polars as pl


#: A read that was put off is made again so often.
_RETRIES = Retries(3, (TOO_MANY, BUSY))
_ARROW = "application/vnd.apache.arrow.stream"
_NEXT = re.compile(r'<([^>]+)>; rel="next"')
_BARS = "/api/v1/bars"
#: The longest pause within the answer to a question for a table: a long span is read part by part.
TABLE_S = 60.0


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
        mirror: a folder or a bucket (`s3://…`, `gs://…`) that `kaboom bars mirror` wrote, read in place of all these.
        language: of what the server says of problems, `en` or `ja`.

    Raises:
        NeedsServer: none is named, none runs, and there is no data folder.
        NotAuthorized: there is no token, or the Kaboom on the data folder was not started with it.
        ConfigurationError: another user can have written the files of the data folder.
        Unavailable: the server that was named does not answer.

    """
    if mirror is not None:
        from kaboom.client.folder import MirrorSource  # noqa: PLC0415  polars, which a server does without until it is asked

        return Kaboom(MirrorSource(str(mirror)))
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


@dataclass(frozen=True, slots=True)
class ServerSource:
    """What a running Kaboom answers, each table as Arrow."""

    wire: Wire

    def bars(self, asked: Asked) -> "pl.DataFrame":
        named = {"interval": asked.interval, "market": asked.market, "provider": asked.provider}
        times = {name: to_text(getattr(asked, name)) for name in ("start", "end", "as_of")}
        symbols = ",".join(asked.symbols) or None
        params = named | times | {"symbols": symbols, "adjusted": "false" if asked.adjusted is False else "true"}
        params |= {"total_return": "true"} if asked.total_return else {}
        return self._table(_BARS, params).sort("symbol", "opened_at")

    def held(self, asked: Asked) -> Iterable[str]:
        named = {"interval": asked.interval, "provider": asked.provider, "as_of": to_text(asked.as_of)}
        return self._table(f"{_BARS}/latest", named)["symbol"]

    def listings(self) -> "pl.DataFrame":
        import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

        tables = (self._table("/api/v1/symbols", {"market": market}) for market in (None, "INDEX"))
        return pl.concat(tables).sort("symbol")

    def universe(self, market: str, session: date | None) -> "pl.DataFrame":
        return self._table("/api/v1/universe", {"market": market, "session": to_text(session)})

    def calendar(self, first: date, last: date) -> "pl.DataFrame":
        return self._table("/api/v1/calendar", {"first": first.isoformat(), "last": last.isoformat()})

    def coverage(
        self, interval: str, first: date, last: date, symbols: Sequence[str], provider: str | None
    ) -> "pl.DataFrame":
        params = {"interval": interval, "provider": provider, "symbol": list(symbols) or None, "limit": 100_000}
        found = self._table("/api/v1/coverage", params | {"first": first.isoformat(), "last": last.isoformat()})
        return found.drop("provider", "interval")

    def _table(self, path: str, params: Mapping[str, Any]) -> "pl.DataFrame":
        """Return a table, all of its pages."""
        import polars as pl  # noqa: PLC0415  0.1 s that an import of kaboom does without

        pages = []
        given: Mapping[str, Any] | None = {name: value for name, value in params.items() if value is not None}
        while True:
            answer = self.wire.ask("GET", path, params=given, headers={"Accept": _ARROW}, timeout=TABLE_S)
            pages.append(pl.read_ipc_stream(answer.content))
            if (following := _NEXT.search(answer.headers.get("Link", ""))) is None:
                return pl.concat(pages)
            # With the same question, and the place where the next page begins.
            path, given = following[1], None
