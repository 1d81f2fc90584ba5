"""Query parameters and fields that several routes share: times with a zone, callback URLs, and names."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema


def _check_is_text(value: Any) -> Any:
    """Reject a bare number: pydantic would read it as seconds since 1970, which the schemas do not allow."""
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError("expected a time with its zone, such as 2025-11-04T09:00:00+09:00")
    return value


#: A time with its zone.
Instant = Annotated[AwareDatetime, BeforeValidator(_check_is_text)]
#: Control characters, for a character class: they could forge lines in a log or a terminal.
CONTROL = r"\x00-\x1f\x7f-\x9f"
#: A name given by a user: printable characters, without space at either end.
Label = Annotated[str, Field(min_length=1, max_length=80, pattern=rf"^[^\s{CONTROL}]([^{CONTROL}]*[^\s{CONTROL}])?$")]
#: The reason of a change, in one line of plain text.
Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=rf"^[^\s{CONTROL}]([^{CONTROL}]*[^\s{CONTROL}])?$")]
#: A word that finds jobs again: one word, as a search takes it.
Tag = Annotated[str, Field(min_length=1, max_length=40, pattern=rf"^[^\s,#{CONTROL}]+$")]
_Url: dict[str, Any] = {"type": "string", "maxLength": 2048, "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"}
CallbackUrl = Annotated[str, Field(max_length=2048), WithJsonSchema(_Url)] | None
