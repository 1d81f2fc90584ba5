"""A flipped bit in a page file is refused where it is read, or changes no value; each other symbol goes on."""

import asyncio
import random
import shutil
from pathlib import Path

import pytest

from kaboom.bars.pages.schema import HEADER
from tests.fixtures.bars.bit_flips import (
    FILES,
    SYMBOLS,
    Answers,
    Rows,
    ask_everything,
    fill,
    flip_field,
    flip_random_bit,
)

FLIPS = 20
#: The columns that say whose page it is.
IDENTITY = ("id", "sid", "bucket")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("flips") / "bars"
    asyncio.run(fill(root))
    return root


@pytest.fixture(scope="module")
def before(source: Path) -> Answers:
    answers = asyncio.run(ask_everything(source))
    assert not answers.faults
    assert all(answers.rows.values())
    return answers


def stored_rows(before: Answers, question: str) -> Rows:
    """Return what an answer may consist of: where a page is hidden, the newest bar may be that of an earlier one."""
    kind, asked = question.split(maxsplit=1)
    bars = before.rows[f"{kind} sessions"] or frozenset()
    if asked.startswith("latest"):
        return bars
    if asked.startswith("closes"):
        return (before.rows[question] or frozenset()) | {(bar[0], bar[5]) for bar in bars}
    return before.rows[question]


@pytest.mark.parametrize("seed", range(1, 3))
def test_random_flipped_bit_is_refused_or_changes_no_value(
    source: Path, before: Answers, tmp_path: Path, seed: int
) -> None:
    rng = random.Random(seed)
    for number in range(FLIPS):
        root = tmp_path / str(number)
        flip = flip_random_bit(source, root, rng)
        after = asyncio.run(ask_everything(root))
        shutil.rmtree(root)
        for question, rows in after.rows.items():
            if rows is not None and rows != before.rows[question]:
                assert rows <= (stored_rows(before, question) or frozenset()), (flip, question)
                assert after.faults, (flip, question, "a bar is missing, and the self-check finds nothing")


@pytest.mark.parametrize("seed", [1])
@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("field_name", [*HEADER, *IDENTITY])
def test_flipped_bit_in_a_header_field_is_refused_or_changes_no_value(
    source: Path, before: Answers, tmp_path: Path, field_name: str, file: str, seed: int
) -> None:
    root = tmp_path / "bars"
    shutil.copytree(source, root)
    flip_field(root / file, field_name, "7203", random.Random(seed))

    after = asyncio.run(ask_everything(root))

    assert after.faults
    for question, rows in after.rows.items():
        others = {row for row in before.rows[question] or () if row[0] != "7203"}
        if rows is None:
            # A read of the damaged page itself, which a session of all symbols is, too.
            assert question.split()[1] in {"7203", "sessions"} or field_name in IDENTITY, question
        else:
            assert rows <= (stored_rows(before, question) or frozenset()), question
            # A page that claims to be that of another symbol may hide the other one.
            assert rows >= others or field_name in IDENTITY, question
    if field_name not in IDENTITY:
        # The bars of the page are sound, so no value is missing.
        latest = [question for question in before.rows if "latest" in question or "closes" in question]
        assert {question: after.rows[question] for question in latest} == {q: before.rows[q] for q in latest}
        assert len(SYMBOLS) == len(after.rows["1m latest"] or ())
