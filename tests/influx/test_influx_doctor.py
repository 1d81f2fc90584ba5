"""An InfluxDB 1.x that is spoken to as v2: each write would fail, and doctor says what to set."""

import subprocess
from pathlib import Path

import orjson

from kaboom.bars.influx.layout import InfluxBuckets
from tests.fixtures.influx.influx_shim import Shim
from tests.fixtures.influx.influxd import Influxd
from tests.fixtures.servers.stacks import KABOOM, clean_environment, serving
from tests.influx.test_influx_alone import JOB, settings_of


def findings(tmp_path: Path, **env: str) -> list[dict[str, str]]:
    settings = clean_environment(KABOOM_DATA_DIR=str(tmp_path), **env)
    done = subprocess.run((*KABOOM, "doctor", "--json"), env=settings, capture_output=True, check=False, timeout=120)
    return [finding for finding in orjson.loads(done.stdout) if finding["part"] == "bar store"]


def probes(server: Influxd, bucket: str) -> int:
    series = server.command('SELECT count("ok") FROM "kaboom_probe"', db=bucket)["series"]
    return int(series[0]["values"][0][1])


def test_version_1_with_v2_settings_is_reported_and_repaired(
    server: Influxd, buckets: InfluxBuckets, tmp_path: Path
) -> None:
    env = settings_of(Shim("", server.url), buckets)
    found = findings(tmp_path, **env)
    assert {f["verdict"] for f in found} == {"fault"}
    assert {f["mend"] for f in found} == {"set KABOOM_INFLUXDB_API=v1"}
    assert len(found) == 3
    assert "is version 1 and does not know the v2 API: set KABOOM_INFLUXDB_API=v1" in found[0]["detail"]
    # A job fails with the same words, and is not tried three times.
    with serving(tmp_path / "data", **env) as api:
        job = api.wait(api.submit(**JOB))
        failures = api.get(f"/jobs/{job['job_id']}/failures")["items"]
    assert (job["status"], {f["outcome"] for f in failures}) == ("failed", {"write_failed"})
    assert all("set KABOOM_INFLUXDB_API=v1" in f["message"] for f in failures)

    del env["INFLUXDB_TOKEN"]
    (found_again,) = findings(tmp_path, **env, KABOOM_INFLUXDB_API="v1")
    assert (found_again["verdict"], "all sound" in found_again["detail"]) == ("ok", True)
    assert [probes(server, bucket) for bucket in buckets.names()] == [1, 1, 1]
