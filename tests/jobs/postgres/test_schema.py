"""Which schemas a release works with."""

import pytest

from kaboom.errors import StoreError
from kaboom.jobs.postgres.schema import REVISION, compare_revision

NEWER, OLDER = REVISION + "1", REVISION[:-1]


def test_the_schema_of_this_release_is_fine_and_that_of_a_newer_one_is_named() -> None:
    assert compare_revision(REVISION) == ""
    assert f"at revision {NEWER}, and this release knows {REVISION}" in compare_revision(NEWER)


@pytest.mark.parametrize(("found", "why"), [(None, "is missing"), (OLDER, f"needs {REVISION}: run `kaboom migrate`")])
def test_a_missing_or_older_schema_is_refused(found: str | None, why: str) -> None:
    with pytest.raises(StoreError, match=why) as refused:
        compare_revision(found)
    assert not refused.value.retryable
