"""What a terminal would obey is written out; all else stays, Japanese and emoji too."""

import sys
import unicodedata

import orjson
import pytest

from kaboom.drivers.printable import clean, clean_json


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]8;;http://x.invalid\x07link", r"\x1b]8;;http://x.invalid\x07link"),
        ("\x9b2J", r"\x9b2J"),
        ("a\nb\tc\rd\x00\x7f", r"a\x0ab\x09c\x0dd\x00\x7f"),
        ("7203\u202e3027", r"7203\u202e3027"),
        ("a\u2028b\u2066c\ufeff", r"a\u2028b\u2066c\ufeff"),
        ("[/b][link=x]トヨタ自動車 é 👩\u200d🔬", "[/b][link=x]トヨタ自動車 é 👩\u200d🔬"),
        (None, "None"),
    ],
)
def test_a_text_shows_what_it_holds(text: object, shown: str) -> None:
    assert clean(text) == shown


def test_no_control_and_no_mark_of_direction_is_left() -> None:
    whole = "".join(map(chr, range(sys.maxunicode + 1)))
    cleaned = clean(whole)
    kept = {c for c in cleaned if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}}
    turning = {
        c
        for c in cleaned
        if unicodedata.bidirectional(c) in {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    }
    assert (kept, turning) == (set(), set())
    assert {c for c in clean(whole, keep_lines=True) if unicodedata.category(c) == "Cc"} == {"\n", "\t"}


def test_json_means_the_same() -> None:
    value = {"a\x9b": ["\x1b[31m\u202e\x7f\ufeff", "トヨタ\n"]}
    text = clean_json(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
    assert orjson.loads(text) == value
    assert clean(text, keep_lines=True) == text
