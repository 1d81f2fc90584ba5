"""Builds the file provider."""

from pathlib import Path

from batch.providers.base import BarProvider
from batch.providers.file.limits import FileLimits
from batch.providers.file.provider import FileProvider
from batch.providers.file.spec import FileSettings
from batch.providers.limiter.limited_provider import limit_calls
from batch.providers.spec import ProviderParts


def build(parts: ProviderParts[FileSettings]) -> BarProvider:
    """Return the provider of the configured folder.

    Raises:
        ConfigurationError: the time zone is unknown.

    """
    settings = parts.settings
    provider = FileProvider(
        (settings.file_dir or Path()).resolve(),
        time_zone=settings.file_time_zone,
        limits=FileLimits(settings.file_max_mb),
    )
    return limit_calls(provider, parts.rate_limiter)
