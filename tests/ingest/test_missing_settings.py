"""A request for a provider without its setting is refused at submission, for every provider that requires one."""

import httpx2
import pytest

from kaboom.providers.registry import provider_specs

pytestmark = pytest.mark.anyio

#: Each required setting, by provider.
REQUIRED = [
    (spec.name, str(spec.settings.model_fields[required.field].validation_alias))
    for spec in provider_specs()
    for required in spec.required
]


def test_the_providers_with_required_settings_are_known() -> None:
    assert {("file", "KABOOM_FILE_DIR"), ("jquants", "JQUANTS_API_KEY"), ("yahoo", "YAHOO_ENABLED")} <= {*REQUIRED}


@pytest.mark.parametrize(("provider", "setting"), REQUIRED)
async def test_a_provider_without_its_setting_is_refused(http: httpx2.AsyncClient, provider: str, setting: str) -> None:
    body = {"intervals": {"1d": 1}, "symbols": ["7203"], "provider": provider}
    answer = await http.post("/api/v1/ingest/run-daily", json=body)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["pointer"] == "#/provider"
    assert f"provider was {provider} and {setting} is not " in error["detail"]
