"""`kaboom doctor` says what the API has seen that its settings do not fit."""

from pathlib import Path

import pytest

from kaboom.cli.doctor import find_warned_settings
from kaboom.cli.session import Session
from tests.fixtures.jobs.apps import JOBS, TOKEN
from tests.fixtures.servers.stacks import serving


def test_a_proxy_that_is_not_expected_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tmp_path / "data") as api:
        monkeypatch.setenv("KABOOM_API_URL", api.url)
        monkeypatch.setenv("INGEST_API_TOKEN", TOKEN)
        assert find_warned_settings(Session()) == []
        api.http.get(JOBS, headers={"X-Forwarded-For": "203.0.113.7"})
        (found,) = find_warned_settings(Session())
        assert (found.part, found.verdict) == ("api", "warning")
        assert found.mend == "set KABOOM_PROXY_HOPS to the number of proxies in front of the API"
        monkeypatch.setenv("INGEST_API_TOKEN", "a-token-that-is-wrong")
        assert find_warned_settings(Session()) == []
    assert find_warned_settings(Session()) == []
