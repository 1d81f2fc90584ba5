"""A provider of bars from the user's own CSV and Parquet files."""

from batch.providers.file.limits import FileLimits
from batch.providers.file.provider import FileProvider

__all__ = ["FileLimits", "FileProvider"]
