"""Query parameters and fields of the job routes: times with a zone, and callback URLs."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, WithJsonSchema


def _check_is_text(value: Any) -> Any:
    """A bare number would be taken for seconds since 1970, which no schema of ours allows."""
    if not isinstance(value, str) or "-" not in value[1:]:
        raise ValueError("expected a time with its zone, such as 2025-11-04T09:00:00+09:00")
    return value


#: A time with its zone.
Instant = Annotated[AwareDatetime, BeforeValidator(_check_is_text)]
_Url: dict[str, Any] = {"type": "string", "maxLength": 2048, "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[!-~]+$"}
CallbackUrl = Annotated[str, Field(max_length=2048), WithJsonSchema(_Url)] | None
