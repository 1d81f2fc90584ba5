"""The manifest of a mirror: the files that belong together, each with its content's digest, and those to delete."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from kaboom.errors import InvalidRequest
from kaboom.market.bar import BAR_SCHEMA

MANIFEST = "manifest.json"
#: Names that `name_file` and `name_run` make, and those of a mirror without a manifest.
_RUN = r"\d{8}T\d{6}Z-[0-9a-f]{8}"
_OURS = re.compile(rf"[a-z0-9_]+/[a-z0-9]+/\d{{4}}(-\d\d)?\.{_RUN}\.parquet|run\.{_RUN}\.json")
_PLAIN = re.compile(r"[a-z0-9_]+/[a-z0-9]+/\d{4}(-\d\d)?\.(parquet|csv|arrow)")
_TYPES = {
    pl.String(): "string",
    pl.Datetime("us", "UTC"): "timestamp[us, UTC]",
    pl.Float64(): "double",
    pl.Int64(): "int64",
    pl.UInt16(): "uint16",
}


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True)


class Column(_Model):
    """A column of all files."""

    name: str
    type: str


class MirrorFile(_Model):
    """A file: the bars of one series in a month (`period` 2025-11), of daily bars in a year (2025)."""

    path: str
    provider: str
    interval: str
    period: str
    bars: int
    bytes: int
    sha256: str
    first_session: date
    last_session: date

    @property
    def name(self) -> str:
        """What the file holds, as a name without its run."""
        return "/".join(self.key)

    @property
    def key(self) -> tuple[str, str, str]:
        """What the file holds."""
        return self.provider, self.interval, self.period


class Manifest(_Model):
    """One state of a mirror.

    Attributes:
        as_of: the moment whose bars the files of the last run hold; None if the store keeps no history.
        retired: names of files that belong to the mirror no more, with the time since when.

    """

    format: Literal["kaboom-mirror-1"] = "kaboom-mirror-1"
    made_at: datetime
    as_of: datetime | None = None
    columns: tuple[Column, ...] = ()
    files: tuple[MirrorFile, ...] = ()
    retired: Mapping[str, datetime] = {}

    @property
    def bars(self) -> int:
        """The number of all bars."""
        return sum(file.bars for file in self.files)

    def to_json(self) -> bytes:
        """Return the content of the file."""
        return self.model_dump_json(indent=1).encode() + b"\n"

    @classmethod
    def parse(cls, content: bytes, place: str) -> "Manifest":
        """Return the manifest of a file.

        Raises:
            InvalidRequest: it is damaged, or of a later release.

        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as e:
            what = ".".join(str(part) for part in e.errors()[0]["loc"]) or "all of it"
            raise InvalidRequest(
                f"{place}/{MANIFEST} cannot be read ({what}): it is damaged, or another release wrote it"
            ) from e


def name_file(name: str, run: str) -> str:
    """Return the path of a file (`synthetic/1m/2025-10`) below the mirror: no other run has it."""
    return f"{name}.{run}.parquet"


def name_run(run: str) -> str:
    """Return the path of the file that lists what a run has written so far."""
    return f"run.{run}.json"


def find_plain(names: Sequence[str]) -> str | None:
    """Return a file of a mirror without a manifest, if there is one."""
    return next((name for name in names if _PLAIN.fullmatch(name)), None)


def follow(
    old: Manifest, files: Collection[MirrorFile], names: Collection[str], *, now: datetime, grace: timedelta
) -> tuple[Manifest, list[str]]:
    """Return the next manifest, and the files to delete once it is in place.

    Months that are not among the new `files` keep theirs. A file of the listing (`names`) that the manifest does not
    name is retired; it is deleted by a run that comes later than the grace time, so that readers of the old manifest
    can go on. This covers files of runs that died.
    """
    by_key = {file.key: file for file in old.files} | {file.key: file for file in files}
    named = {file.path for file in by_key.values()}
    retired = {name: old.retired.get(name, now) for name in names if _OURS.fullmatch(name) and name not in named}
    due = sorted(name for name, since in retired.items() if now - since >= grace)
    columns = [Column(name=name, type="string") for name in ("provider", "interval")]
    columns += [Column(name=name, type=_TYPES[kind]) for name, kind in BAR_SCHEMA.items()]
    manifest = Manifest(
        made_at=now,
        columns=tuple(columns),
        files=tuple(by_key[key] for key in sorted(by_key)),
        retired={name: since for name, since in sorted(retired.items()) if name not in due},
    )
    return manifest, due
