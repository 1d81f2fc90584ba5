"""The reference page lists every outcome, state and flag, and says of each outcome whether it is fine."""

import re

from kaboom.bars.coverage.cells import GAPS, SUSPECTS, CellState
from kaboom.jobs.model import ChunkState, JobStatus
from kaboom.jobs.redis.store import Ending
from kaboom.jobs.runs import EXPIRED
from kaboom.market.bar import BarFlag
from kaboom.market.outcome import Outcome
from tests.fixtures.repo.repository import load_text


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, its head left out."""
    section = load_text("docs/reference/outcomes.md").split(f"## {heading}\n")[1].split("\n## ")[0]
    return [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| `")]


def test_every_outcome_is_listed() -> None:
    written = {row[0].strip("`"): row[-1] == "yes" for row in rows("The outcome of a symbol")}
    assert written == {outcome.value: outcome.is_fine for outcome in Outcome}


def test_every_state_of_a_session_is_listed_and_whether_a_backfill_takes_it() -> None:
    taken = (
        dict.fromkeys(CellState, "no") | dict.fromkeys(GAPS, "yes") | dict.fromkeys(SUSPECTS, "with `include_short`")
    )
    assert {row[0].strip("`"): row[-1] for row in rows("How complete a session is")} == taken


def test_every_state_of_a_job_is_listed() -> None:
    assert [row[0].strip("`") for row in rows("A job")] == [status.value for status in JobStatus]


def test_every_state_of_a_chunk_is_listed() -> None:
    assert [row[0].strip("`") for row in rows("A chunk")] == [state.value for state in ChunkState]


def test_every_ending_of_a_run_is_listed() -> None:
    assert {row[0].strip("`") for row in rows("Runs of a chunk")} == {*map(str, Ending), EXPIRED}


def test_every_flag_is_listed_with_its_value() -> None:
    written = {row[0].strip("`"): int(row[1]) for row in rows("Flags of a stored bar")}
    assert written == {str(flag.name).lower(): flag.value for flag in BarFlag}


def test_the_final_states_are_the_last_four() -> None:
    assert [status.is_final for status in JobStatus] == [False] * 3 + [True] * 4
    assert re.search(r"The last four are final", load_text("docs/reference/outcomes.md"))
