"""Which server, which data folder, which token: option, environment, what runs nearby, default."""

from pathlib import Path

import pytest

import kaboom
from kaboom.cli.exits import CliError, Exit
from kaboom.cli.session import Session
from kaboom.drivers.embedded.run_file import find_data_dir, prove_token, read_run_file, write_run_file
from kaboom.drivers.embedded.servers import free_port
from tests.fixtures.cli import Kaboom, Scripted
from tests.fixtures.servers.owners import give_away


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder deep in a project with a Kaboom that runs in `.kaboom`."""
    for name in ("KABOOM_DATA_DIR", "KABOOM_API_URL", "INGEST_API_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    data_dir = tmp_path / ".kaboom"
    data_dir.mkdir()
    (data_dir / "lock").touch()
    write_run_file(data_dir, {"api_url": "http://127.0.0.1:1234"})
    (data_dir / "ingest-token").write_text("of-the-file\n")
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    return tmp_path


def test_the_option_wins_over_the_environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KABOOM_DATA_DIR", "from-env")
    assert Session(data_dir=Path("from-option")).find_data_dir() == Path("from-option")
    assert Session().find_data_dir() == Path("from-env")


def test_the_nearest_kaboom_that_runs_is_found_from_below(project: Path) -> None:
    assert Session().find_data_dir() == project.resolve() / ".kaboom"
    (project / "a" / ".kaboom").mkdir()
    # A folder in which nothing runs is passed over.
    assert Session().find_data_dir() == project.resolve() / ".kaboom"
    write_run_file(project / "a" / ".kaboom", {})
    assert Session().find_data_dir() == project.resolve() / "a" / ".kaboom"


def test_without_any_it_is_in_the_working_folder(project: Path) -> None:
    (project / ".kaboom" / "run.json").unlink()
    assert Session().find_data_dir() == Path(".kaboom")
    assert find_data_dir() is None


def test_the_server_is_that_of_the_option_the_environment_or_the_folder(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Session().client().url == "http://127.0.0.1:1234"
    monkeypatch.setenv("KABOOM_API_URL", "http://of-env/")
    assert Session().client().url == "http://of-env"
    assert Session(api_url="http://of-option").client().url == "http://of-option"


def test_the_token_of_the_environment_wins_over_the_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Session()._token() == "of-the-file"
    monkeypatch.setenv("INGEST_API_TOKEN", "of-env")
    monkeypatch.setenv("KABOOM_API_URL", "http://of-env/")
    assert Session()._token() == "of-env"


def test_of_several_tokens_the_first_is_sent(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".kaboom" / "ingest-token").write_text("new-of-the-file old-of-the-file\n")
    assert Session()._token() == "new-of-the-file"
    monkeypatch.setenv("INGEST_API_TOKEN", " new-of-env  old-of-env\n")
    assert Session(api_url="http://of-option")._token() == "new-of-env"


@pytest.mark.parametrize("url", ["http://127.0.0.1:1234", "https://evil.invalid"])
def test_a_token_of_the_environment_does_not_go_where_a_file_says(
    project: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    data_dir = project / ".kaboom"
    monkeypatch.setenv("INGEST_API_TOKEN", "of-env")
    other = prove_token("another", data_dir, url)
    for proofs in ([], [other], [prove_token("of-env", data_dir, "http://x")]):
        write_run_file(data_dir, {"api_url": url, "proofs": proofs})
        with pytest.raises(CliError, match=f"names the address {url}, .* set KABOOM_API_URL to it") as raised:
            Session(language="en").client()
        assert raised.value.code is Exit.AUTH
        with pytest.raises(kaboom.NotAuthorized, match="the token was not sent"):
            kaboom.connect()
        with pytest.raises(kaboom.NotAuthorized, match="the token was not sent"):
            kaboom.connect(token="of-the-caller")


def test_a_kaboom_that_was_started_with_the_token_gets_it(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data_dir, url = project / ".kaboom", "http://127.0.0.1:1234"
    write_run_file(data_dir, {"api_url": url, "proofs": [prove_token(name, data_dir, url) for name in ("new", "old")]})
    for token in ("new", "old"):
        monkeypatch.setenv("INGEST_API_TOKEN", token)
        assert Session()._token() == token


def test_a_planted_folder_gets_no_token(
    project: Path, kaboom: Kaboom, scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KABOOM_API_URL")
    data_dir = project / ".kaboom"
    write_run_file(data_dir, {"api_url": scripted.url})
    owner = give_away(data_dir, monkeypatch)
    for token in ("", "of-the-victim-of-the-tests"):
        monkeypatch.setenv("INGEST_API_TOKEN", token)
        for arguments in (["jobs", "list"], ["up"], ["backup", str(project / "made")], ["doctor"]):
            done = kaboom(*arguments)
            assert done.code == Exit.USAGE
            assert f"belongs to the user {owner}, expected you or root" in done.err
    assert scripted.seen == []


@pytest.mark.parametrize("text", ["", "\n"])
def test_a_file_without_a_token_is_as_none(project: Path, text: str) -> None:
    (project / ".kaboom" / "ingest-token").write_text(text)
    with pytest.raises(CliError, match="set INGEST_API_TOKEN"):
        Session(language="en")._token()


def test_no_server_ends_with_7_and_a_hint(project: Path) -> None:
    (project / ".kaboom" / "run.json").unlink()
    with pytest.raises(CliError, match="run `kaboom up`, or give --api-url or KABOOM_API_URL") as raised:
        Session(language="en").client()
    assert raised.value.code is Exit.UNAVAILABLE


def test_no_token_ends_with_3_and_a_hint(project: Path) -> None:
    (project / ".kaboom" / "ingest-token").unlink()
    with pytest.raises(CliError, match=r"set INGEST_API_TOKEN, or run where .*ingest-token can be read") as raised:
        Session(language="en").client()
    assert raised.value.code is Exit.AUTH


@pytest.mark.parametrize("content", ["", "{", "\xff"])
def test_half_a_run_file_counts_as_none(project: Path, content: str) -> None:
    (project / ".kaboom" / "run.json").write_text(content, encoding="latin-1")
    assert read_run_file(project / ".kaboom") == {}


def test_the_run_file_is_for_its_owners_eyes(project: Path) -> None:
    assert (project / ".kaboom" / "run.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "127.0.0.1:{port}", "http://", "nonsense"])
def test_a_server_that_does_not_answer_ends_with_7(kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("INGEST_API_TOKEN", "x")
    done = kaboom("--api-url", url.format(port=free_port()), "jobs", "list")
    assert (done.code, done.out) == (Exit.UNAVAILABLE, "")
    assert "did not answer" in done.err
    assert "check that it runs, with `kaboom doctor`" in done.err


def test_messages_come_in_japanese(kaboom: Kaboom) -> None:
    done = kaboom("--lang", "ja", "jobs", "list")
    assert done.code == Exit.UNAVAILABLE
    assert "接続先のKaboomがありません" in done.err
