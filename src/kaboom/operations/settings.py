"""The settings of the API, with every secret hidden."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field, SecretStr

if TYPE_CHECKING:
    from kaboom.settings import AppSettings

_HIDDEN = "***"
#: Matches a user name and a password in a URL: some settings contain them, although they belong in a secret.
_USER_INFO = re.compile(r"(?<=://)[^/?#\s]*@")


class SettingView(BaseModel):
    """One setting, by the name of its environment variable."""

    name: str
    value: str | int | float | bool | None = Field(description="`***` for a secret that is set; null where none is set")
    is_secret: bool
    is_default: bool
    warning: str | None = Field(default=None, description="what this process has seen that the value does not fit")


class SettingList(BaseModel):
    """All settings, by name."""

    items: list[SettingView] = Field(
        examples=[
            [
                {
                    "name": "KABOOM_PROVIDER",
                    "value": "jquants",
                    "is_secret": False,
                    "is_default": False,
                    "warning": None,
                },
                {"name": "JQUANTS_API_KEY", "value": "***", "is_secret": True, "is_default": False, "warning": None},
            ]
        ]
    )


def list_settings(settings: "AppSettings", warnings: Mapping[str, str]) -> SettingList:
    """Return every setting of this process, also those that are not set; `warnings` are by variable."""
    shown, fields = redact_settings(settings), type(settings).model_fields
    items = [
        SettingView(
            name=str(field.validation_alias),
            value=shown[str(field.validation_alias)],
            is_secret="SecretStr" in str(field.annotation),
            is_default=getattr(settings, name) == field.default,
            warning=warnings.get(str(field.validation_alias)),
        )
        for name, field in fields.items()
    ]
    return SettingList(items=sorted(items, key=lambda each: each.name))


def redact_settings(settings: "AppSettings") -> Mapping[str, str | int | float | bool | None]:
    """Return the settings by variable, with *** for each secret, and for names and passwords in addresses."""
    return {
        str(field.validation_alias): _redact(getattr(settings, name))
        for name, field in sorted(type(settings).model_fields.items())
    }


def _redact(value: object) -> str | int | float | bool | None:
    if isinstance(value, SecretStr):
        return _HIDDEN
    if value is None or isinstance(value, bool | int | float):
        return value
    return _USER_INFO.sub(f"{_HIDDEN}@", str(value))
