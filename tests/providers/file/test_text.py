"""The encoding of a text is found from any beginning of it."""

from pathlib import Path

import pytest

from kaboom.providers.file.errors import FileRefused
from kaboom.providers.file.recognise.text import to_utf8

TEXT = "銘柄,終値\n7203 トヨタ,2841"
PATH = Path("bars.csv")


@pytest.mark.parametrize(("encoding", "name"), [("utf-8", "UTF-8"), ("cp932", "CP932"), ("utf-16", "UTF-16")])
def test_head_that_is_cut_within_a_character_keeps_the_whole_ones(encoding: str, name: str) -> None:
    content = TEXT.encode(encoding)
    for length in range(len("銘柄".encode(encoding)), len(content)):
        head, found = to_utf8(content[:length], PATH, is_cut=True)
        assert found == name, length
        assert TEXT.startswith(head.decode()), length
        assert len(head.decode().encode(encoding)) >= length - 3, length


def test_whole_file_that_ends_within_a_character_is_refused() -> None:
    with pytest.raises(FileRefused, match="found other bytes"):
        to_utf8("銘柄".encode()[:-1] + b"\xff", PATH)
