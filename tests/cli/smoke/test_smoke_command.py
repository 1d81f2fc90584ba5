"""`kaboom smoke` says how many checks passed, as text and as JSON, and ends with 7 if one has not."""

from typing import Any

import pytest

from kaboom.cli import smoke
from kaboom.cli.exits import Exit
from kaboom.cli.smoke import Check
from tests.fixtures.cli import Kaboom

FINE, BAD = Check("redis", is_ok=True, detail="answers"), Check("workers", is_ok=False, detail="none")


@pytest.mark.parametrize(
    ("checks", "code", "said"),
    [
        ([FINE, FINE], Exit.OK, "all 2 checks passed after"),
        ([FINE, BAD, BAD], Exit.UNAVAILABLE, "2 of 3 checks failed after"),
    ],
)
def test_checks_are_counted_and_told(
    kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch, checks: list[Check], code: Exit, said: str
) -> None:
    asked: list[dict[str, Any]] = []

    async def wait(_session: object, release: str | None, **options: Any) -> list[Check]:
        asked.append({"release": release, **options})
        return checks

    monkeypatch.setattr(smoke, "_wait", wait)
    monkeypatch.setenv("DISABLE_CELERY", "false")
    done = kaboom("smoke", "--release", "r1", "--timeout", "7", "--only")
    assert (done.code, said in done.err) == (code, True), done.err
    assert [line.split()[0] for line in done.out.splitlines()] == [check.name for check in checks]
    assert asked == [{"release": "r1", "only": True, "timeout_s": 7.0}]
    told: Any = kaboom("smoke", "--json").json
    assert (told["is_ok"], told["release"], len(told["checks"])) == (code is Exit.OK, None, len(checks))
    assert asked[-1] == {"release": None, "only": False, "timeout_s": 60.0}
