"""The one way in which a file is refused: naming the file, the line if known, and what was expected."""

from pathlib import Path

from batch.errors import ProviderError


def refuse_file(path: Path, why: str, *, line: int | None = None) -> ProviderError:
    """Return the error for a file that cannot be read as bars; trying again would not help."""
    place = f"{path.name}, line {line}" if line is not None else path.name
    return ProviderError(f"{place}: {why}", retryable=False)
