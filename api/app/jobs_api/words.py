"""Query parameters and fields that several routes share: times with a zone, callback URLs, and names."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema


def _check_is_text(value: Any) -> Any:
    """A bare number would be taken for seconds since 1970, which no schema of ours allows."""
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError("expected a time with its zone, such as 2025-11-04T09:00:00+09:00")
    return value


#: A time with its zone.
Instant = Annotated[AwareDatetime, BeforeValidator(_check_is_text)]
#: For a character class: it could forge a line of a log or a terminal.
CONTROL = r"\x00-\x1f\x7f-\x9f"
#: A name that somebody gives: anything that prints, without space at either end.
Label = Annotated[str, Field(min_length=1, max_length=80, pattern=rf"^[^\s{CONTROL}]([^{CONTROL}]*[^\s{CONTROL}])?$")]
#: Why somebody changes something, in one line of plain text.
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^[^\s{CONTROL}]([^{CONTROL}]*[^\s{CONTROL}])?$")]
_Url: dict[str, Any] = {"type": "string", "maxLength": 2048, "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"}
CallbackUrl = Annotated[str, Field(max_length=2048), WithJsonSchema(_Url)] | None
