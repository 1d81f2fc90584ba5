"""The settings over HTTP: to admins alone, and without a secret."""

from pathlib import Path
from typing import Any

import pytest

from kaboom.operations.settings import SettingList, redact_settings
from kaboom.settings import AppSettings
from kaboom.web.rate_limit import FORWARDED_WARNING
from tests.fixtures.jobs.apps import TOKEN, client_of, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of

pytestmark = pytest.mark.anyio
SETTINGS = "/api/v1/settings"
SECRETS: dict[str, Any] = {
    "jquants_api_key": "secret-of-jquants",
    "webhook_secret": "whsec_c2VjcmV0LW9mLXdlYmhvb2tzLXNlY3JldA==",
    "otlp_endpoint": "http://user:secret-of-otlp@127.0.0.1:4318/a@b",
    "jquants_base_url": "https://secret-name@127.0.0.1/v2",
}


async def test_every_setting_is_there_and_no_secret(tmp_path: Path) -> None:
    values = {name: value for name, value in SECRETS.items() if name != "otlp_endpoint"}
    async with running(memory_settings(tmp_path, **values)) as app, client_of(app) as http:
        answer = await http.get(SETTINGS)
    SettingList.model_validate_json(answer.text)
    found = {each["name"]: each for each in answer.json()["items"]}
    assert set(found) == {str(field.validation_alias) for field in AppSettings.model_fields.values()}
    assert list(found) == sorted(found)
    assert "secret-" not in answer.text.replace("secret-project", "")
    assert TOKEN not in answer.text
    key, unset = found["JQUANTS_API_KEY"], found["DATABASE_DIRECT_URL"]
    assert (key["value"], key["is_secret"], key["is_default"]) == ("***", True, False)
    assert (unset["value"], unset["is_secret"], unset["is_default"]) == (None, True, True)
    assert found["KABOOM_SLOTS"] == {
        "name": "KABOOM_SLOTS",
        "value": 4,
        "is_secret": False,
        "is_default": True,
        "warning": None,
    }
    assert found["KABOOM_DATA_DIR"]["value"] == str(tmp_path)
    assert answer.headers["cache-control"] == "no-store"


def test_names_and_passwords_in_addresses_are_hidden(tmp_path: Path) -> None:
    shown = redact_settings(memory_settings(tmp_path, **SECRETS))
    assert shown["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://***@127.0.0.1:4318/a@b"
    assert shown["JQUANTS_BASE_URL"] == "https://***@127.0.0.1/v2"


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 403), ("admin", 200)])
async def test_only_admins_see_them(tmp_path: Path, role: str, status: int) -> None:
    async with (
        running(memory_settings(tmp_path), authenticators=[VIEWERS]) as app,
        browser_of(app, role=role, accept="application/json") as browser,
    ):
        assert (await browser.get(SETTINGS)).status_code == status


async def test_a_proxy_that_is_not_expected_is_a_warning(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path)) as app, client_of(app) as http:
        found = [
            (await http.get(SETTINGS, headers=headers)).json() for headers in ({}, {"x-forwarded-for": "192.0.2.1"})
        ]
        assert "X-Forwarded-For" in (await http.get("/settings", headers={"accept": "text/html"})).text
    warnings = [{each["name"]: each["warning"] for each in page["items"] if each["warning"]} for page in found]
    assert warnings == [{}, {"KABOOM_PROXY_HOPS": FORWARDED_WARNING}]
