"""What `kaboom doctor` finds on this machine, finding by finding, with the fix of each."""

import fcntl
from pathlib import Path

import pytest

from kaboom.bars import open as stores
from kaboom.bars.pages.store import PageBarStore
from kaboom.cli import doctor
from kaboom.cli.doctor import Finding, _Place, find_bars
from kaboom.cli.session import Session
from kaboom.drivers.disk import Room
from kaboom.drivers.embedded.run_file import LOCK
from kaboom.errors import StoreError
from kaboom.settings import AppSettings
from tests.fixtures.bars.damage import flip_page
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, at, bar, empty_logs, frame
from tests.fixtures.jobs.apps import TOKEN, memory_settings
from tests.fixtures.servers.http_servers import Request, Response, serving

GIB = 1024**3


def test_a_supervisor_is_looked_for_only_where_it_ran(tmp_path: Path) -> None:
    session = Session(data_dir=tmp_path)
    assert doctor.find_supervisor(session) == []
    (tmp_path / "run.json").write_text("{}")
    detail = f"{tmp_path}/run.json is there and no `kaboom up` runs: processes that end are not restarted"
    assert doctor.find_supervisor(session) == [Finding("supervisor", "fault", detail, "kaboom up")]
    (tmp_path / LOCK).touch()
    assert doctor.find_supervisor(session)[0].verdict == "fault"
    with (tmp_path / LOCK).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert doctor.find_supervisor(session) == [Finding("supervisor", "ok", f"`kaboom up` runs on {tmp_path}", "")]


@pytest.mark.parametrize(
    ("status", "finding"),
    [
        (200, ("ok", "answered 200", "")),
        (503, ("fault", "answered 503", "fix the parts below: `/readyz` names them")),
        (None, ("fault", "did not answer: RemoteProtocolError", "kaboom up")),
    ],
)
def test_the_api_is_asked_whether_it_is_ready(status: int | None, finding: tuple[str, str, str]) -> None:
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.target)
        return Response(status, b"{}")

    verdict, detail, mend = finding
    with serving(answer) as url:
        assert doctor.find_api(Session(api_url=url)) == Finding("api", verdict, f"{url} {detail}", mend)
    assert asked == ["/readyz"]


def test_no_api_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KABOOM_API_URL", raising=False)
    found = doctor.find_api(Session(data_dir=tmp_path))
    assert (found.part, found.verdict, found.mend) == ("api", "warning", "kaboom up")


def test_settings_that_the_api_warns_of_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
    body = (
        b'{"items": [{"name": "KABOOM_PROXY_HOPS", "warning": "w1"}, {"name": "A", "warning": null},'
        b' {"name": "B", "warning": "w2"}]}'
    )
    with serving(lambda request: Response(200 if request.path == "/api/v1/settings" else 404, body)) as url:
        assert doctor.find_warned_settings(Session(api_url=url)) == [
            Finding("api", "warning", "w1", "set KABOOM_PROXY_HOPS to the number of proxies in front of the API"),
            Finding("api", "warning", "w2", "correct B"),
        ]
    with serving(lambda _: Response(403, b"{}")) as url:
        assert doctor.find_warned_settings(Session(api_url=url)) == []


@pytest.mark.parametrize(
    ("rooms", "verdicts"),
    [
        ((Room(500 * GIB, 10**9, 1), Room(500 * GIB, 10**9, 1)), [("ok", "500.0 GiB are free")]),
        ((Room(None, None, 1), Room(0, 10**9, 2)), [("ok", "no limit of space"), ("fault", "")]),
        ((StoreError("no answer"), Room(None, None, 2)), [("fault", "no answer"), ("ok", "no limit of space")]),
    ],
)
def test_each_disk_is_a_finding_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rooms: tuple[Room | StoreError, ...],
    verdicts: list[tuple[str, str]],
) -> None:
    left = list(rooms)

    def measure(_folder: Path) -> Room:
        room = left.pop(0)
        if isinstance(room, StoreError):
            raise room
        return room

    monkeypatch.setattr(doctor, "measure_room", measure)
    found = doctor.find_disks(memory_settings(tmp_path))
    assert [finding.verdict for finding in found] == [verdict for verdict, _ in verdicts]
    assert all(detail in finding.detail for finding, (_, detail) in zip(found, verdicts, strict=True))
    assert [bool(finding.mend) for finding in found] == [verdict != "ok" for verdict, _ in verdicts]


@pytest.mark.parametrize(
    ("is_ours", "is_supervised", "message", "mend"),
    [
        (True, True, "refused", "`kaboom up` restarts Redis by itself; if it does not, see logs/ in the data folder"),
        (True, False, "refused", "kaboom up"),
        (False, True, "refused", "start Redis, or correct REDIS_URL"),
        (False, False, "refused", "start Redis, or correct REDIS_URL"),
        (True, True, "OOM command", "give Redis more room: free its disk, or raise its maxmemory"),
    ],
)
def test_a_server_is_mended_by_who_started_it(*, is_ours: bool, is_supervised: bool, message: str, mend: str) -> None:
    place = _Place("Redis", "REDIS_URL", is_ours, is_supervised)
    assert place.mend(message) == mend


def test_providers_that_lack_a_setting_or_have_terms_are_findings(tmp_path: Path) -> None:
    def found(**values: object) -> list[tuple[str, str, bool]]:
        settings: AppSettings = memory_settings(tmp_path, **values)
        return [(each.part, each.verdict, bool(each.mend)) for each in doctor.find_providers(settings)]

    assert found() == [("provider synthetic", "ok", False)]
    assert found(provider="jquants") == [("provider jquants", "fault", True)]
    assert found(provider="none") == [("provider", "fault", True)]
    assert found(yahoo_enabled=True) == [("provider synthetic", "ok", False), ("provider yahoo", "ok", False)]


@pytest.mark.anyio
async def test_a_damaged_page_is_a_finding_with_its_repair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Each check closes the store of its process.
    monkeypatch.setattr(stores, "_page_store", PageBarStore)
    settings = memory_settings(tmp_path, bar_store="pages")
    store = PageBarStore(settings.bars_dir)
    await store.write(DAILY, frame(bar("7203", at(JUNE_2)), bar("6758", at(JUNE_2))))
    await empty_logs(store)
    await store.close()
    (sound,) = await find_bars(settings)
    assert (sound.part, sound.verdict, sound.mend) == ("bar store", "ok", "")
    assert sound.detail.endswith(" bytes, 2 bars, all sound")
    (path,) = settings.bars_dir.rglob("all.sqlite")
    flip_page(path, "7203")
    (found,) = await find_bars(settings)
    assert (found.part, found.verdict, found.mend) == ("bar store", "fault", "kaboom bars repair")
    assert found.detail.startswith("synthetic/1d/all.sqlite 7203 2025: ")


def test_bars_that_nothing_reads_are_a_warning_with_the_command(tmp_path: Path) -> None:
    (tmp_path / "bars/synthetic/1d").mkdir(parents=True)
    (tmp_path / "bars/synthetic/1d/all.sqlite").touch()
    settings = memory_settings(tmp_path, bar_store="auto", database_url="postgresql://h/d")
    (found,) = doctor.find_left_bars(settings)
    assert (found.part, found.verdict) == ("bar store", "warning")
    assert str(tmp_path / "bars") in found.detail
    assert "kaboom bars copy --from pages" in found.mend
    assert doctor.find_left_bars(memory_settings(tmp_path, bar_store="postgres")) == []
