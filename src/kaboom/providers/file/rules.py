"""`files.toml` in a folder of files: how times and numbers of a folder or of a pattern are written."""

import re
import tomllib
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from kaboom.errors import ProviderError

#: The file's name.
RULES_FILE = "files.toml"
_MOST_BYTES = 64 << 10
#: In a line: the time that tomllib takes for `a.a.a` grows with the square of its parts.
_MOST_LETTERS = 2000

type DateOrder = Literal["ymd", "mdy", "dmy"]
#: Whether a bar is stamped when it opens, or when it ends.
type Stamp = Literal["start", "end"]


def is_zone(name: str) -> bool:
    """Return whether a text is the name of a time zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # an OSError: `Asia` is a folder of zones
        return False
    return True


def _check_zone(name: str) -> str:
    if not is_zone(name):
        raise PydanticCustomError("zone", "{expected}", {"expected": "a name such as 'Asia/Tokyo'"})
    return name


class Rule(BaseModel):
    """How the files of a pattern are read; what is None is as the settings say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    time_zone: Annotated[str, AfterValidator(_check_zone)] | None = None
    date_order: DateOrder | None = None
    stamp: Stamp | None = None
    decimal: Literal[".", ","] | None = None

    def matches(self, name: str) -> bool:
        """Return whether a path below the folder is one of `files`: a folder with its slash, a path or a name."""
        if self.files.endswith("/"):
            return name.startswith(self.files)
        return fnmatchcase(name, self.files) or fnmatchcase(name.rpartition("/")[2], self.files)


class RulesFile(BaseModel):
    """The content of `files.toml`; of two rules that match a file, the first counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[Rule, ...] = Field(default=(), max_length=1000)

    def find(self, name: str) -> Rule | None:
        """Return the rule of a file, by its path below the folder."""
        return next((rule for rule in self.rules if rule.matches(name)), None)


def read_rules_file(root: Path) -> RulesFile:
    """Return the rules of a folder, or of the folder of the one file that `root` is; none if it has no `files.toml`.

    Raises:
        ProviderError: the file cannot be read; the message names the line.

    """
    folder = root if root.is_dir() else root.parent
    path = folder / RULES_FILE
    if not path.is_file():
        return RulesFile()
    if not path.resolve().is_relative_to(folder.resolve()):
        raise _refuse("expected a file of this folder, found a link that leads out of it")
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise _refuse(f"expected at most {_MOST_BYTES:,} bytes, found more")
        text = content.decode("utf-8-sig")
        if long := next((n for n, line in enumerate(text.splitlines(), 1) if len(line) > _MOST_LETTERS), None):
            raise _refuse(f"expected at most {_MOST_LETTERS:,} characters in a line, found more", long)
        found = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as e:
        raise _refuse(f"expected a text in UTF-8, found: {e}") from e
    except tomllib.TOMLDecodeError as e:
        why, _, place = str(e).partition(" (at line ")
        line = place.partition(",")[0]
        raise _refuse(f"expected TOML, found: {why}", int(line) if line.isdigit() else None) from e
    except RecursionError as e:
        raise _refuse("expected rules, found values nested too deeply") from e
    try:
        return RulesFile.model_validate(found)
    except ValidationError as e:
        error = e.errors()[0]
        raise _refuse(_explain(error), _find_line(text, error["loc"])) from e


def find_rule_line(root: Path, number: int) -> int | None:
    """Return the line of a rule, counted from 0, in the file of rules of a folder."""
    return _find_line((root / RULES_FILE).read_bytes().decode("utf-8-sig"), ("rules", number, "files"))


def _refuse(why: str, line: int | None = None) -> ProviderError:
    place = RULES_FILE if line is None else f"{RULES_FILE}, line {line}"
    return ProviderError(f"{place}: {why}", retryable=False)


def _explain(error: ErrorDetails) -> str:
    key = str(error["loc"][-1])
    if error["type"] == "missing":
        return f"expected the key {key!r} in each rule, found none"
    if error["type"] != "extra_forbidden":
        expected = error.get("ctx", {}).get("expected") or error["msg"]
        return f"expected {expected}, found {key} = {str(error['input'])[:60]!r}"
    known = list((RulesFile if len(error["loc"]) == 1 else Rule).model_fields)
    near = get_close_matches(key, known, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"expected one of {', '.join(known)}, found the key {key[:60]!r}{hint}"


def _find_line(text: str, place: tuple[int | str, ...]) -> int | None:
    """Return the line of a key, or of its rule: pydantic knows the number of the rule and the key, and no line."""
    lines = text.splitlines()
    start, end = 0, len(lines)
    if len(place) > 1:
        heads = [n for n, line in enumerate(lines) if re.match(r"\s*\[\[\s*rules\s*\]\]", line)]
        number = int(place[1])
        if number >= len(heads):  # written in one line, as an array
            return next((n + 1 for n, line in enumerate(lines) if re.match(r"\s*rules\s*=", line)), None)
        start, end = heads[number], (*heads[number + 1 :], end)[0]
    key = re.compile(rf"\s*(\[+\s*)?[\"']?{re.escape(str(place[-1]))}[\"']?\s*[=\].]")
    return next((n + 1 for n in range(start, end) if key.match(lines[n])), start + 1)
