"""A picture as PNG; matplotlib is imported for the first one."""

from kaboom.errors import ConfigurationError
from kaboom.pictures.model import Language, Picture


def draw(picture: Picture, *, language: Language = "en") -> bytes:
    """Return a picture as PNG, 1,200 pixels wide; equal pictures give equal bytes on the same machine.

    If no font has Japanese characters, labels are in English, and Japanese names are left out. A process draws one
    picture at a time, in some tenths of a second; call it in a thread.

    Raises:
        ConfigurationError: matplotlib is not installed.

    """
    try:
        from kaboom.pictures.drawing import draw_sheet  # noqa: PLC0415 (matplotlib is an extra, and slow to import)
    except ModuleNotFoundError as e:
        raise ConfigurationError("matplotlib is not installed: pictures need kaboom-api[pictures]") from e
    return draw_sheet(picture, language)
