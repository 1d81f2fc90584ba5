"""Forms that were refused: each wrong field by its label, in plain words, at an address that can be opened again."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.dashboard.environment import build_environment
from kaboom.dashboard.form import say_fault
from kaboom.web.auth.guard import stated_scopes
from tests.fixtures.jobs.browsers import tags_of, text_of

pytestmark = pytest.mark.anyio
TEMPLATES = Path("src/kaboom/dashboard/templates")
ENVIRONMENT = build_environment(static=str, release="1")
LABELS = {"name": "Name", "model": "Model", "model/fees": "Fee, %", "only": "Only these"}


def show(errors: list[tuple[str, str]], language: str = "en") -> str:
    """Return a form of three fields after a refusal."""
    problem = {
        "title": "T",
        "detail": "D",
        "request_id": "",
        "errors": [{"pointer": f"#/{at}", "detail": why} for at, why in errors],
    }
    template = ENVIRONMENT.from_string(
        '{% import "parts/forms.html" as forms with context %}'
        '{% set form = form_of(labels, problem, percents=("model/fees",)) %}{{ forms.refused(form) }}'
        '{% for key in labels %}{{ forms.text(form, key, "typed", type="text", required="") }}{% endfor %}'
    )
    return template.render(lang=language, labels=LABELS, problem=problem)


def test_each_wrong_field_is_named_once_in_the_order_of_the_form() -> None:
    html = show([
        ("only/a", "Field required"),
        ("model/fees/rate", "Input should be less than or equal to 0.1"),
        ("name", "String should have at least 1 character"),
        ("further", "Extra inputs are not permitted"),
    ])  # fmt: skip
    assert (
        "Correct 4 fields Name : Fill this in. Fee, % : Enter 10% or less. Only these : a: Fill this in. "
        "further: Extra inputs are not permitted"
    ) in text_of(html)
    assert "#/" not in text_of(html)
    controls = {tag["name"]: tag for name, tag in tags_of(html) if name == "input"}
    assert [name for name, tag in controls.items() if tag.get("aria-invalid") == "true"] == [
        "name", "model/fees", "only",
    ]  # fmt: skip
    ids = {tag["id"]: name for name, tag in tags_of(html) if "id" in tag}
    assert all(ids[tag["aria-describedby"]] == "p" for tag in controls.values() if "aria-invalid" in tag)
    assert [ids[tag["href"][1:]] for name, tag in tags_of(html) if name == "a"] == ["input"] * 3
    assert {tag["value"] for tag in controls.values()} == {"typed"}


def test_a_refusal_without_fields_says_its_title_and_detail() -> None:
    assert "T D" in text_of(show([]))


@pytest.mark.parametrize(
    ("detail", "english", "japanese"),
    [
        (
            "List should have at least 1 item after validation, not 0",
            "Choose at least one.",
            "1つ以上選択してください。",
        ),
        ("Input should be a valid integer, unable to parse", "Enter a whole number.", "整数を入力してください。"),
        ("Input should be a valid dictionary", "Enter a JSON object, such as {}.", "{} のようなJSONオブジェクト"),
        ("String should match pattern '^([01][0-9]|2[0-3]):[0-5][0-9]$'", "from 00:00 to 23:59.", "00:00～23:59の時刻"),
        (
            "was 'NaN', expected yen from 0 to 10000000000000 with at most 4 digits after the point",
            "Enter an amount, such as 1234.5.",
            "1234.5",
        ),
        ("symbols and market: expected one of them", "symbols and market: expected", "どちらか一方を指定して"),
    ],
)
def test_a_reason_is_said_in_the_readers_words(detail: str, english: str, japanese: str) -> None:
    assert english in say_fault(detail, "en")
    assert japanese in say_fault(detail, "ja")


def test_days_and_times_are_typed_the_same_in_every_language() -> None:
    typed = {
        path: re.findall(r'type="(?:date|time|month|datetime-local)"', path.read_text())
        for path in TEMPLATES.rglob("*.html")
    }
    assert len(typed) > 50
    assert {path: found for path, found in typed.items() if found} == {}


async def test_the_address_of_each_form_can_be_opened(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    pages = {path for method, path, _ in stated_scopes(app.routes) if method == "POST" and not path.startswith("/api/")}
    assert len(pages) > 30
    for path in sorted(pages):
        answer: Any = await browser.get(re.sub(r"{\w*}", "0" * 32, path))
        if answer.status_code == 303:
            answer = await browser.get(answer.headers["location"])
        assert answer.status_code in {200, 404}, path


async def test_every_wrong_field_of_a_schedule_is_told_at_once(browser: httpx2.AsyncClient) -> None:
    wrong = {"name": "", "task": "ingest.run_daily", "request": "{", "when": "session", "max_late_h": "soon"}
    refused = await browser.post("/schedules/new", data=wrong | {"session_at": "16:35", "missed": "latest"})
    assert refused.status_code == 422
    controls = [tag for _, tag in tags_of(refused.text) if tag.get("aria-invalid")]
    assert [tag["name"] for tag in controls] == ["name", "request", "max_late_h"]
    assert "Correct 3 fields" in text_of(refused.text)


async def test_a_password_that_is_too_short_is_told_in_words(browser: httpx2.AsyncClient) -> None:
    refused = await browser.post(f"/users/usr_{'0' * 32}", data={"change": "password", "password": "x"})
    assert refused.status_code == 422
    assert "New password, at least 12 characters : Enter at least 12 characters." in text_of(refused.text)
