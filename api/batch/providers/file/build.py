"""Builds the file provider."""

from pathlib import Path

from batch.providers.base import BarProvider
from batch.providers.file.limits import FileLimits
from batch.providers.file.moments import TimeRules
from batch.providers.file.names import NameRules
from batch.providers.file.provider import FileProvider, FileRules
from batch.providers.file.spec import FileSettings
from batch.providers.limiter.limited_provider import limit_calls
from batch.providers.spec import ProviderParts


def build(parts: ProviderParts[FileSettings]) -> BarProvider:
    """Return the provider of the configured folder.

    Raises:
        ConfigurationError: the time zone is unknown, or the pattern or the list of symbols cannot be read.

    """
    root = (parts.settings.file_dir or Path()).resolve()
    return limit_calls(FileProvider(root, read_rules(parts.settings)), parts.rate_limiter)


def read_rules(settings: FileSettings) -> FileRules:
    """Return how files are read, by the settings.

    Raises:
        ConfigurationError: the pattern or the list of symbols cannot be read.

    """
    names = NameRules.parse(settings.file_symbol_pattern, settings.file_symbols)
    times = TimeRules(settings.file_time_zone, settings.file_date_order)
    return FileRules(times, names, FileLimits(settings.file_max_mb))
