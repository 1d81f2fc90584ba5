"""`kaboom doctor` reports settings of InfluxDB that cannot work."""

from typing import cast

import pytest

from tests.fixtures.cli import Kaboom


def test_a_missing_token_is_a_fault(kaboom: Kaboom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFLUXDB_HOST", "http://127.0.0.1:9")
    done = kaboom("doctor", "--json")
    (found,) = [f for f in cast("list[dict[str, str]]", done.json) if f["part"] == "bar store"]
    assert (found["verdict"], "INFLUXDB_TOKEN is not set" in found["detail"]) == ("fault", True)
    assert found["mend"] == "correct the INFLUXDB_ and KABOOM_INFLUXDB_ settings, or start the server"
