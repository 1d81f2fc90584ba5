"""Every command that talks to the API, byte for byte: what it asks, what it prints, and its exit code.

`tests/cli/transcripts/*.txt` hold a block for each call:

    $ kaboom jobs list                  the call, in the words of a shell; `<<< text` at its end is its stdin
    < GET /api/v1/jobs {"items": []}    what the API answers, if not the example of its description;
                                        `@ingest.backfill failed` is an ended job with the example of its result
    GET /api/v1/jobs?limit=20           what it was asked, with the body and the Idempotency-Key, if any
    = 0                                 the exit code; then stdout, and stderr with `! ` before each line;
                                        `(the answer)` is the last answer as JSON

`KABOOM_RECORD=1 pytest tests/cli/test_transcripts.py` writes them again: read the difference before you keep it.
"""

import io
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from kaboom.catalog import CATALOG
from tests.cli.conftest import Kaboom
from tests.cli.output.test_results import job_of
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.jobs.example_results import RESULTS
from tests.fixtures.servers.example_api import ExampleApi, example_api
from tests.fixtures.servers.http_servers import Response

FOLDER = Path(__file__).parent / "transcripts"
#: How a job in another state than `partial` differs from one.
_STATES: dict[str, dict[str, Any]] = {
    "failed": {"result": None, "error": {"type": "InvalidRequest", "message": "why"}},
    "running": {"result": None, "error": None, "completed_at": None},
}
_TRADES = "day,kind,symbol,quantity,price,fee,amount,note\n2025-11-04,buy,7203,100,2841.5,99,,first\n"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    """An API that answers with examples."""
    with example_api(tmp_path_factory.mktemp("examples")) as running:
        yield running


def blocks_of(name: str) -> list[str]:
    return re.split(r"\n\n(?=\$ )", (FOLDER / name).read_text().rstrip("\n"))


def cases() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.txt")):
        for n, block in enumerate(blocks_of(path.name)):
            yield pytest.param(path.name, n, id=f"{path.stem}: {block.partition(chr(10))[0][2:]}")


@pytest.mark.parametrize(("name", "n"), list(cases()))
def test_call_is_as_recorded(
    api: ExampleApi, kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, n: int
) -> None:
    blocks = blocks_of(name)
    call, *rest = blocks[n].splitlines()
    plans = [line for line in rest if line.startswith("< ")]
    monkeypatch.setenv("KABOOM_API_URL", api.url)
    monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
    command, _, typed = call.removeprefix("$ kaboom ").partition(" <<< ")
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    (tmp_path / "trades.csv").write_text(_TRADES)
    api.asked.clear()
    api.planned[:] = map(plan_of, plans)
    done = kaboom(*shlex.split(command))
    told = [f"! {line}" for line in done.err.splitlines()]
    shown = ["(the answer)"] if is_answer(done.out, api.last) else done.out.splitlines()
    files = [
        f"{path.name}: {path.stat().st_size > 0}"
        for path in sorted(tmp_path.iterdir())
        if path.suffix in {".html", ".png"}
    ]
    lines = [call, *plans, *api.asked, *files, f"= {done.code}", *shown, *told]
    found = "\n".join(line.rstrip() for line in lines).replace(api.url, "http://api")
    if os.environ.get("KABOOM_RECORD"):
        blocks[n] = found
        (FOLDER / name).write_text("\n\n".join(blocks) + "\n")
    assert found.splitlines() == blocks[n].splitlines()


def plan_of(line: str) -> tuple[str, str, Response]:
    """Return the method, the path and the answer of a line `< GET /path [status] JSON`."""
    method, path, text = line.removeprefix("< ").split(" ", 2)
    if text.startswith("@"):
        task, status = text.removeprefix("@").split()
        job = job_of(CATALOG.require(task), RESULTS[task]) | {"job_id": path.rpartition("/")[2], "status": status}
        job |= {} if status == "partial" else _STATES.get(status, {"error": None})
        return method, path, Response(200, orjson.dumps(job))
    status, _, body = text.partition(" ") if text[:3].isdigit() else ("200", "", text)
    return method, path, Response(int(status), body.encode())


def is_answer(out: str, answer: bytes) -> bool:
    try:
        return out[:1] in {"{", "["} and orjson.loads(out) == orjson.loads(answer)
    except orjson.JSONDecodeError:
        return False
