"""What `kaboom up` hands its children: secrets that are sound, and no deployment's."""

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from kaboom.cli.session import Session
from kaboom.cli.stack import whole
from kaboom.cli.stack.child import ChildSpec
from kaboom.cli.stack.data_folder import hold_lock
from kaboom.cli.stack.whole import Stack, StackOptions
from kaboom.drivers.embedded.run_file import identify_folder, read_run_file, write_run_file
from kaboom.drivers.embedded.servers import EmbeddedServer, free_port
from kaboom.errors import ConfigurationError
from tests.fixtures.servers.http_servers import Response, serving
from tests.fixtures.servers.owners import give_away


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return Stack(StackOptions(tmp_path / "data", port=free_port()), Session(language="en"))


def test_an_odd_token_is_refused_before_anything_starts(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", "hush")
    with pytest.raises(ConfigurationError, match="token 1 of 1 was not 16 or more"):
        stack.start()
    stack.stop()
    assert sorted(path.name for path in stack.data_dir.iterdir()) == ["lock", "logs"]


def test_several_tokens_of_the_file_are_all_handed_on(stack: Stack) -> None:
    stack.data_dir.mkdir()
    (stack.data_dir / "ingest-token").write_text("a-new-token-of-the-tests an-old-token-of-the-tests\n")
    assert stack._load_secrets()["INGEST_API_TOKEN"] == "a-new-token-of-the-tests an-old-token-of-the-tests"


def test_a_folder_of_another_user_is_not_started(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.data_dir.mkdir()
    owner = give_away(stack.data_dir, monkeypatch)
    with pytest.raises(ConfigurationError, match=f"belongs to the user {owner}"):
        stack.start()
    stack.stop()
    assert list(stack.data_dir.iterdir()) == []


@pytest.mark.parametrize("name", ["ingest-token", "webhook-secret", "notification-key"])
def test_a_secret_that_another_user_wrote_is_refused(stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.data_dir.mkdir()
    (stack.data_dir / name).write_text("known-to-another-user-of-the-machine\n")
    give_away(stack.data_dir / name, monkeypatch)
    with pytest.raises(ConfigurationError, match=f"{name} belongs to the user"):
        stack._load_secrets()


def test_what_runs_here_asks_no_secret_manager(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_SECRET_PROJECT", "a-deployments")
    assert stack._environment()["KABOOM_SECRET_PROJECT"] == ""


@pytest.mark.parametrize("is_own", [True, False])
def test_a_stop_deletes_its_own_run_file_alone(stack: Stack, *, is_own: bool) -> None:
    stack.data_dir.mkdir()
    stack._lock = hold_lock(stack.data_dir, Session(language="en"))
    # A folder that was moved here has the file of the Kaboom that still runs on it.
    write_run_file(stack.data_dir, {"pid": os.getpid() if is_own else os.getppid()})
    assert read_run_file(stack.data_dir)
    stack.stop()
    assert (stack.data_dir / "run.json").exists() == (not is_own)


SECRETS = {"INGEST_API_TOKEN": "ingest-token", "KABOOM_WEBHOOK_SECRET": "webhook-secret"} | {
    "KABOOM_NOTIFICATION_KEY": "notification-key"
}


def test_a_missing_secret_is_made_once_and_the_token_shown_once(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in SECRETS:
        monkeypatch.delenv(name, raising=False)
    stack.data_dir.mkdir()
    made = stack._load_secrets()
    assert {name: (stack.data_dir / file).read_text().strip() for name, file in SECRETS.items()} == made
    assert {(stack.data_dir / file).stat().st_mode & 0o777 for file in SECRETS.values()} == {0o600}
    said = f"ingest token created and kept in {stack.data_dir}/ingest-token; shown only this once: "
    assert capsys.readouterr().err.replace("\n", "") == f"{said}{made['INGEST_API_TOKEN']}"
    assert stack._load_secrets() == made
    assert capsys.readouterr().err == ""


def test_secrets_of_the_environment_come_first(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {name: f"{name.lower()}-of-the-environment" for name in SECRETS}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    stack.data_dir.mkdir()
    assert stack._load_secrets() == values
    assert list(stack.data_dir.iterdir()) == []


def test_children_are_told_where_they_are_and_how_many(tmp_path: Path) -> None:
    stack = Stack(StackOptions(tmp_path, port=8123, workers=2, concurrency=3), Session(language="en"))
    env = stack._environment()
    names = ("KABOOM_DATA_DIR", "KABOOM_SLOTS", "PORT", "KABOOM_SIDE_PORT")
    assert [env[name] for name in names] == [str(tmp_path), "6", "", ""]
    api = stack._api(env)
    assert (api.name, api.argv[1:]) == (
        "api", ("-m", "kaboom.cli.main", "serve", "--host", "127.0.0.1", "--port", "8123")
    )  # fmt: skip
    workers = stack._workers(env)
    assert [(each.name, each.log.name) for each in workers] == [
        ("worker-1", "worker-1.log"), ("worker-2", "worker-2.log")
    ]  # fmt: skip
    assert workers[1].argv[1:] == (
        "-m", "kaboom.worker", "--loglevel=info",
        "--queues=ingest,ai_analysis,backtest,market_data,notifications", "--concurrency=3",
        "--prefetch-multiplier=1", "--hostname=kaboom-2@%h", "--without-gossip", "--without-mingle",
    )  # fmt: skip
    assert {each.log.parent for each in (api, *workers)} == {tmp_path / "logs"}


@pytest.mark.parametrize(("online", "is_ready"), [(1, False), (2, True), (3, True)])
def test_workers_are_ready_when_all_are_online(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, online: int, *, is_ready: bool
) -> None:
    monkeypatch.setattr(stack, "_options", StackOptions(stack.data_dir, workers=2))
    with serving(lambda _: Response(503, b'{"workers_online": %d}' % online)) as stack.api_url:
        assert [each.is_ready() for each in stack._workers({})] == [is_ready] * 2
        assert stack._api({}).is_ready()
    assert not stack._api({}).is_ready()
    assert not stack._workers({})[0].is_ready()


def test_bars_are_in_the_folder_with_the_embedded_database_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: Stack
) -> None:
    assert stack._environment()["KABOOM_BAR_STORE"] == "pages"
    # A Kaboom that was killed here names its servers still.
    (tmp_path / "lock").touch()
    write_run_file(tmp_path, {"database_url": "postgresql://before/x"})
    options, session = StackOptions(tmp_path), Session(language="en")
    assert Stack(options, session)._environment()["KABOOM_BAR_STORE"] == "pages"
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/x")
    assert "KABOOM_BAR_STORE" not in Stack(options, session)._environment()


def test_the_run_file_says_what_runs(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", "a-token-of-the-tests")
    stack.data_dir.mkdir()
    stack._load_secrets()
    stack._urls = {"REDIS_URL": "redis://here", "DATABASE_URL": "postgresql://here"}
    stack._write_run_file([SimpleNamespace(spec=SimpleNamespace(name="api"), pid=7)])  # type: ignore[list-item]
    found = orjson.loads((stack.data_dir / "run.json").read_bytes())
    assert (len(found.pop("proofs")), found.pop("data_dir"), "folder" in found) == (1, str(stack.data_dir), True)
    del found["folder"]
    assert found == {
        "pid": os.getpid(), "api_url": stack.api_url, "redis_url": "redis://here", "database_url": "postgresql://here",
        "bars_dir": str(stack.data_dir / "bars"), "children": [{"name": "api", "pid": 7}],
    }  # fmt: skip


def test_a_full_disk_and_a_lost_folder_are_told_when_they_change(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed() -> str:
        return " ".join(capsys.readouterr().err.split())

    states = iter(["", "the disk is full", "the disk is full", "", ""])
    monkeypatch.setattr(whole, "find_full", lambda _folder: next(states))
    found = [(stack._find_full(), printed()) for _ in range(5)]
    full = "the disk is full: jobs wait until there is room, and processes that end start again by themselves"
    room = f"the disk of {stack.data_dir} has room again: jobs go on"
    why = "the disk is full"
    assert found == [("", ""), (why, full), (why, ""), ("", room), ("", "")]
    places = iter(["here", "elsewhere", "elsewhere", "here", "elsewhere"])
    monkeypatch.setattr(stack, "_folder", "here")
    monkeypatch.setattr(whole, "identify_folder", lambda _folder: next(places))
    held = [(stack._holds_folder(), printed().startswith(f"the data folder {stack.data_dir} was")) for _ in range(5)]
    assert held == [(True, False), (False, True), (False, False), (True, False), (False, True)]


def test_a_taken_port_is_another_one() -> None:
    with serving(lambda _: Response(200)) as url:
        taken = int(url.rpartition(":")[2])
        assert whole.choose_port(taken) != taken
    assert whole.choose_port(taken) == taken


@pytest.mark.parametrize("damage", [None, "cut short"])
def test_a_server_is_run_as_it_says(stack: Stack, capsys: pytest.CaptureFixture[str], damage: str | None) -> None:
    seen: list[str] = []

    def repair(output: str) -> tuple[Path, str] | None:
        seen.append(output)
        return (Path("aside"), damage) if damage else None

    parts: dict[str, Any] = {
        "name": "postgres", "argv": ("postgres", "-D", "x"), "is_ready": lambda: True, "stop_signal": signal.SIGINT,
        "user": "nobody", "folder": Path("/tmp"), "address": Path("/tmp/socket"),
    }  # fmt: skip
    stack._mark = {"MARK": "1"}
    spec = stack._server(EmbeddedServer(**parts, url="postgresql://here", repair=repair))
    assert {name: getattr(spec, name) for name in parts} == parts
    assert (spec.env, spec.log) == ({"MARK": "1"}, stack.data_dir / "logs/postgres.log")
    assert (spec.repair("its last words"), seen) == (damage is not None, ["its last words"])
    printed = " ".join(capsys.readouterr().err.split())
    assert ("append-only log is damaged (cut short) and was moved to aside" in printed) == (damage is not None)


def test_the_supervisor_of_a_stack_records_its_children_and_restarts_them_in_its_own_folder_alone(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stack.data_dir.mkdir()
    (stack.data_dir / "lock").touch()
    stack._folder = identify_folder(stack.data_dir)
    supervisor = stack._supervisor
    log = stack.data_dir / "logs/sleep.log"
    supervisor.start([ChildSpec("sleep", ("/bin/sleep", "1000"), log, lambda: True, stop_s=1.0)])
    try:
        (child,) = supervisor.children

        def recorded() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = read_run_file(stack.data_dir)["children"]
            return found

        assert recorded() == [{"name": "sleep", "pid": child.pid}]
        first = child.pid
        os.kill(first, signal.SIGKILL)
        child._process.wait()
        monkeypatch.setattr(stack, "_folder", "another")
        supervisor._look()
        assert (child.pid, "was removed or replaced" in " ".join(capsys.readouterr().err.split())) == (first, True)
        monkeypatch.setattr(stack, "_folder", identify_folder(stack.data_dir))
        monkeypatch.setattr(whole, "find_full", lambda _folder: "the disk is full")
        supervisor._look()
        assert child.pid != first
        assert recorded() == [{"name": "sleep", "pid": child.pid}]
        assert "the disk is full: jobs wait" in " ".join(capsys.readouterr().err.split())
    finally:
        supervisor.stop()
