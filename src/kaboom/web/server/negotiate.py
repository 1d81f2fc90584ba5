"""What request headers say of the answer: whether the caller has it already, and whether it may be compressed."""

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from fastapi import Response, status

#: Unless it is refused: `gzip;q=0`.
_GZIP = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))")
#: A shorter content is not compressed.
_SHORT = 1000


@dataclass(frozen=True)
class FixedContent:
    """A content that is the same for all callers, plain and compressed, each with its ETag."""

    content: bytes
    media_type: str

    @cached_property
    def etag(self) -> str:
        """A hash of the content."""
        return hashlib.sha256(self.content).hexdigest()[:32]

    @cached_property
    def packed(self) -> bytes:
        """The content compressed by gzip."""
        return gzip.compress(self.content, mtime=0)

    def answer(self, asked: Mapping[str, str], headers: Mapping[str, str]) -> Response:
        """Return the content with headers, or 304 if the caller has it; `asked` are the headers of the request."""
        is_packed = len(self.content) > _SHORT and accepts_gzip(asked.get("accept-encoding", ""))
        etag = f'"{self.etag}{"-gzip" if is_packed else ""}"'
        sent = {**headers, "ETag": etag, "Vary": "Accept-Encoding"}
        if has_tag(asked.get("if-none-match", ""), etag):
            return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=sent)
        if is_packed:
            sent["Content-Encoding"] = "gzip"
        return Response(self.packed if is_packed else self.content, headers=sent, media_type=self.media_type)


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a value of Accept-Encoding takes gzip."""
    return _GZIP.search(accept_encoding.lower()) is not None


def has_tag(if_none_match: str, etag: str) -> bool:
    """Return whether a value of If-None-Match has a tag; compared weakly, as RFC 9110 (13.1.2) wants it."""
    return bool({etag, "*"} & {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")})
