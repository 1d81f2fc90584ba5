"""A damaged append-only log of the embedded Valkey: recognising it, and renaming it."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

#: Valkey's messages about a log that it cannot read; a port in use or a full disk gives other messages.
_WORDS = re.compile(
    r"Bad file format reading the append only file"
    r"|Unexpected end of file reading the append only file"
    r"|Error reading the append only file \S+, error: unknown command"
    r"|Internal error in RDB reading offset"
    r"|Found an empty AOF manifest"
    r"|The AOF manifest file contains too long line"
    r"|Invalid AOF manifest file format"
    r"|Unable to obtain the AOF file \S+ length\. stat: No such file or directory"
)
_FOLDER, _MANIFEST = "appendonlydir", "appendonly.aof.manifest"
#: A killed first start leaves an empty base file of a hundred bytes and no manifest.
_EMPTY_BYTES = 512


def set_damaged_log_aside(folder: Path, words: str) -> tuple[Path, str] | None:
    """Rename a damaged log; return its new path and what was wrong, or None if there is no sign of damage.

    Takes Valkey's folder, and Valkey's output before it ended ("" before a start).

    Raises:
        OSError: the log cannot be renamed.

    """
    log = folder / _FOLDER
    if not log.is_dir() or not (reason := _read_words(words) or _look_at(log)):
        return None
    stamp = f"{_FOLDER}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    taken = len(list(folder.glob(f"{stamp}*")))
    return log.rename(folder / (f"{stamp}-{taken}" if taken else stamp)), reason


def _read_words(words: str) -> str | None:
    lines = [line for line in words.splitlines() if _WORDS.search(line)]
    # Without the time, and without the advice to use a tool that is not in the wheel.
    return lines[0].partition(" # ")[2].partition(": make a backup")[0].partition(" You can:")[0] if lines else None


def _look_at(log: Path) -> str | None:
    """Return damage that Valkey does not notice: it would start without the missing data."""
    files = {path.name: path.stat().st_size for path in log.iterdir() if path.suffix in {".aof", ".rdb"}}
    if not (log / _MANIFEST).exists():
        return f"{_MANIFEST} is missing" if sum(files.values()) > _EMPTY_BYTES else None
    with suppress(UnicodeDecodeError):
        for name in re.findall(r"^file (\S+) .*type b", (log / _MANIFEST).read_text(encoding="utf-8"), re.MULTILINE):
            if files.get(name) == 0:
                return f"{name} is empty"
    return None
