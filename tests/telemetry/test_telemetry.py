"""No secret gets into a line, and whoever taps the lines is given each of them."""

import io
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import structlog

from kaboom.drivers.printable import clean
from kaboom.telemetry.logs import configure_logging, tap_lines


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Mapping[str, Any]]]:
    """The lines that a tap is given, while the level of the log is ERROR."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    configure_logging(log_format="json", level="ERROR")
    taken: list[Mapping[str, Any]] = []
    end = tap_lines(lambda line: taken.append(dict(line)))
    yield taken
    end()
    root.handlers, root.level = handlers, level


@pytest.mark.parametrize(
    "text",
    [
        "connection to postgresql://kaboom:s3cret@db/kaboom failed",
        "rediss://:s3cret@host:6379/0 did not answer",
        "GET /prices?symbol=7203&token=s3cret&x=1",
        "api_key='s3cret' was refused",
        '{"x-ingest-token": "s3cret"}',
        "Authorization: Bearer s3cret",
        "password = s3cret",
    ],
)  # fmt: skip
def test_a_secret_in_a_text_becomes_stars(lines: list[Mapping[str, Any]], text: str) -> None:
    structlog.get_logger("test").warning("call_failed", error=text, job_id="j")
    assert "s3cret" not in str(lines)
    assert "***" in lines[0]["error"]


@pytest.mark.parametrize("name", ["token", "INGEST_API_TOKEN", "callback_url", "db_password", "client_secret"])
def test_a_field_with_a_secrets_name_becomes_stars(lines: list[Mapping[str, Any]], name: str) -> None:
    structlog.get_logger("test").warning("call_failed", **{name: "s3cret"})
    assert lines[0][name] == "***"


@pytest.mark.parametrize(
    "text", ["https://example.com:8000/a@b", "took 3 tokens", "the token was wrong", "12:30:01", "a=b", "user@host"]
)
def test_other_texts_stay(lines: list[Mapping[str, Any]], text: str) -> None:
    structlog.get_logger("test").warning("x", reason=text)
    assert lines[0]["reason"] == text


def test_a_tap_gets_lines_below_the_log_level_until_it_ends(lines: list[Mapping[str, Any]]) -> None:
    others: list[Mapping[str, Any]] = []
    end = tap_lines(others.append)
    log = structlog.get_logger("test")
    with structlog.contextvars.bound_contextvars(job_id="j"):
        log.info("one")
    end()
    end()
    log.info("two")
    assert [line["event"] for line in lines] == ["one", "two"]
    assert [(line["event"], line["job_id"]) for line in others] == [("one", "j")]


@pytest.mark.usefixtures("lines")
def test_a_line_of_values_that_json_hardly_has_is_written_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(log_format="json", level="INFO")
    structlog.get_logger("odd").error("odd", big=2**70, text="\ud800", thing=object, name="足")
    line = json.loads(capsys.readouterr().err)
    assert (line["big"], line["text"], line["name"]) == (2**70, "\ud800", "足")
    assert "object" in line["thing"]


@pytest.mark.usefixtures("lines")
def test_our_lines_and_those_of_libraries_have_one_form_and_one_level(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(log_format="json", level="WARNING")
    for level in ("info", "warning", "error"):
        getattr(structlog.get_logger("ours"), level)(f"our_{level}")
        getattr(logging.getLogger("theirs"), level)(f"their_{level}")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["logger"], line["message"], line["severity"]) for line in lines] == [
        ("ours", "our_warning", "WARNING"),
        ("theirs", "their_warning", "WARNING"),
        ("ours", "our_error", "ERROR"),
        ("theirs", "their_error", "ERROR"),
    ]


@pytest.mark.usefixtures("lines")
def test_an_unwritable_log_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr("sys.stderr", stream)
    configure_logging(log_format="json", level="INFO")
    stream.close()
    structlog.get_logger("ours").error("lost")


HOSTILE = "a\x1b[2J\x9b31m\u202e\r\nb"


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_log_has_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str], log_format: str) -> None:
    configure_logging(log_format=log_format, level="INFO")
    structlog.get_logger("ours").error(HOSTILE, text=HOSTILE, texts=[HOSTILE])
    try:
        int(HOSTILE)
    except ValueError:
        logging.getLogger("theirs").exception(HOSTILE)
    text = capsys.readouterr().err
    assert clean(text, keep_lines=True) == text
    assert "Traceback" in text


@pytest.mark.usefixtures("lines")
@pytest.mark.parametrize(
    ("project", "field", "value"),
    [
        ("my-project", "logging.googleapis.com/trace", f"projects/my-project/traces/{'ab' * 16}"),
        (None, "trace_id", "ab" * 16),
    ],
)
def test_a_line_names_its_trace_as_cloud_run_does(
    capsys: pytest.CaptureFixture[str], project: str | None, field: str, value: str
) -> None:
    configure_logging(log_format="json", level="INFO", trace_project=project)
    with structlog.contextvars.bound_contextvars(trace_id="ab" * 16):
        structlog.get_logger("ours").info("one")
    structlog.get_logger("ours").info("two")
    of_a_request, other = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert of_a_request[field] == value
    assert {"trace_id", "logging.googleapis.com/trace"} & of_a_request.keys() == {field}
    assert not {"trace_id", "logging.googleapis.com/trace"} & other.keys()
