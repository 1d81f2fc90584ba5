"""What request headers say of the answer: whether the caller has it already, and whether it may be compressed."""

import re

#: Unless it is refused: `gzip;q=0`.
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))")


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a value of Accept-Encoding takes gzip."""
    return _GZIP.search(accept_encoding.lower()) is not None


def has_tag(if_none_match: str, etag: str) -> bool:
    """Return whether a value of If-None-Match has a tag; compared weakly, as RFC 9110 (13.1.2) wants it."""
    return bool({etag, "*"} & {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")})
