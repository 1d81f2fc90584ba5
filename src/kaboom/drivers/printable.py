"""Making foreign text safe to print: without control characters, on one line for logs."""

import re

#: Control characters (with ESC and CSI), direction marks, line separators and single surrogates. The joiners that
#: scripts and emoji need are kept.
_MARKS = r"\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
#: A cell of a spreadsheet that begins with one of these is a formula, in full width too; OWASP, CSV injection.
FORMULA_STARTS = "=+-@\t\r\uff1d\uff0b\uff0d\uff20"
_UNSAFE = re.compile(rf"[\x00-\x1f\x7f-\x9f{_MARKS}]")
_UNSAFE_BUT_LINES = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_MARKS}]")


def clean(value: object, *, keep_lines: bool = False) -> str:
    r"""Return a value as text in which each control character is written out, such as `\x1b`."""
    return (_UNSAFE_BUT_LINES if keep_lines else _UNSAFE).sub(_write_out, str(value))


def clean_json(text: str) -> str:
    """Return JSON of the same meaning in which each control character is escaped."""
    return _UNSAFE_BUT_LINES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _write_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
