"""Export formats of tables of bars, and their media types; importable without polars."""

from enum import StrEnum


class Format(StrEnum):
    """A format. Arrow is an IPC stream over HTTP, and an IPC file (Feather 2) on disk."""

    JSON = "json"
    CSV = "csv"
    ARROW = "arrow"
    PARQUET = "parquet"

    @property
    def media_type(self) -> str:
        """The media type."""
        return _MEDIA_TYPES[self]


_MEDIA_TYPES = {
    Format.JSON: "application/json",
    Format.CSV: "text/csv; charset=utf-8",
    Format.ARROW: "application/vnd.apache.arrow.stream",
    Format.PARQUET: "application/vnd.apache.parquet",
}
