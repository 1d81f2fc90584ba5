"""What request headers say of the answer: tags of what the caller has, and whether it takes gzip."""

import pytest

from kaboom.web.server.negotiate import FixedContent, accepts_gzip, has_tag


@pytest.mark.parametrize(
    ("sent", "is_known"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('"b", W/"a" ', True),
        ("*", True),
        ('"b"', False),
        ("", False),
    ],
)
def test_any_tag_of_a_list_is_compared_weakly(sent: str, *, is_known: bool) -> None:
    assert has_tag(sent, '"a"') is is_known


@pytest.mark.parametrize(
    ("sent", "is_taken"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.0, br", False), ("br", False)],
)
def test_gzip_is_taken_unless_it_is_refused(sent: str, *, is_taken: bool) -> None:
    assert accepts_gzip(sent) is is_taken


def test_the_packed_content_has_a_tag_of_its_own() -> None:
    fixed = FixedContent(b"{}" * 600, "application/json")
    plain, packed = (fixed.answer({"accept-encoding": each}, {}) for each in ("", "gzip"))
    assert plain.headers["etag"] != packed.headers["etag"]
    assert "content-encoding" not in plain.headers
    again = fixed.answer({"accept-encoding": "gzip", "if-none-match": packed.headers["etag"]}, {})
    assert (again.status_code, again.headers["etag"]) == (304, packed.headers["etag"])
    assert fixed.answer({"accept-encoding": "gzip", "if-none-match": plain.headers["etag"]}, {}).status_code == 200
