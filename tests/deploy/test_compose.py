"""compose.yaml by the Compose specification and by the house's rules; each is shown faults of its own."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kaboom.cli.stack.whole import WORKER_OPTIONS
from kaboom.settings import load_settings
from tests.fixtures.repo.compose_files import find_faults
from tests.fixtures.repo.repository import load_text

COMPOSE = load_text("compose.yaml")
CONTENT: dict[str, Any] = yaml.safe_load(COMPOSE)
SERVICES: dict[str, Any] = CONTENT["services"]
_CHECKER = Path(sys.executable).with_name("check-jsonschema")


def is_valid(text: str, folder: Path) -> bool:
    (folder / "compose.yaml").write_text(text)
    argv = [str(_CHECKER), "--builtin-schema", "vendor.compose-spec", str(folder / "compose.yaml")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in {0, 1}, done.stderr
    assert done.returncode == 0 or "Schema validation errors" in done.stdout, done.stdout
    return done.returncode == 0


def changed(old: str, new: str) -> str:
    assert old in COMPOSE
    return COMPOSE.replace(old, new)


def test_it_follows_the_specification(tmp_path: Path) -> None:
    assert is_valid(COMPOSE, tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  read_only: true", "  readonly: true"),
        ("condition: service_healthy", "condition: healthy"),
        ("      retries: 12", "      retires: 12"),
        ("  cap_drop: [ALL]", "  cap_drop: ALL"),
        ("stop_grace_period: 15s", "stop_grace_period: 15"),
        ("services:\n", "service:\n"),
        ("      - valkey:/data", "      data: valkey"),
    ],
)
def test_what_the_specification_does_not_know_is_found(old: str, new: str, tmp_path: Path) -> None:
    assert not is_valid(changed(old, new), tmp_path)


def test_the_rules_of_the_house_are_kept() -> None:
    assert find_faults(COMPOSE) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("grafana:13.1.0@", "grafana:latest@", "is not one version"),
        ("postgres:18.6@", "postgres@", "is not one version"),
        ("valkey/valkey:9.1.2@", "valkey/valkey:9@", "is not one version"),
        ("@sha256:3c42b892", "@sha256:3c42", "is not one version"),
        ("image: ${KABOOM_IMAGE:-kaboom:local}", "image: kaboom", "it is built, and not"),
        ("127.0.0.1:8000:8080", "8000:8080", "listens beyond"),
        ("127.0.0.1:9090:9090", "0.0.0.0:9090:9090", "listens beyond"),
        ("127.0.0.1:3000:3000", "${KABOOM_LISTEN:-127.0.0.1}:3000:3000", "listens beyond"),
        ("${KABOOM_LISTEN:-127.0.0.1}:443", "443", "listens beyond"),
        ("[NET_BIND_SERVICE]", "[NET_ADMIN]", "cap_add gives it too much"),
        ("    user: nobody\n", "    user: nobody\n    cap_add: [NET_BIND_SERVICE]\n", "cap_add gives it too much"),
        ("    mem_limit: 4g\n", "", "it has no mem_limit"),
        ("  pids_limit: 512\n", "", "it has no pids_limit"),
        (', max-file: "5"', "", "grows without end"),
        ("      - --maxmemory\n      - 1gb\n", "", "twice maxmemory"),
        ("  read_only: true\n", "", "root can be written"),
        ("[ALL]", "[NET_RAW]", "keeps privileges"),
        ("no-new-privileges:true", "no-new-privileges:false", "keeps privileges"),
        ("    user: postgres\n", "    user: postgres\n    privileged: true\n", "privileged gives it too much"),
        ("    user: postgres\n", "    user: postgres\n    network_mode: host\n", "network_mode gives it too much"),
        ("    user: valkey\n", "", "it runs as root"),
        ("prometheus.yml:ro", "prometheus.yml", "read only"),
        ("./infra/alerts", "/var/run/docker.sock", "read only"),
        ("      test: [CMD, valkey-cli, -e, ping]\n", "", "no health check"),
        ("${GRAFANA_PASSWORD:?set it in .env, to a long random text}", "admin", "is not asked for"),
        ("  restart: unless-stopped\n", "", "started again"),
        ("condition: service_completed_successfully", "condition: service_started", "waits for migrate"),
        ("${INGEST_API_TOKEN:?set it in .env, to a long random text}", "secret", "INGEST_API_TOKEN is not asked for"),
        ("${GRAFANA_PASSWORD:?", "${GRAFANA_PASS:?", "not in .env.example"),
        ("${KABOOM_COPIES:-backups}", "/mnt/copies", "is not a file of the repository"),
        ("${POSTGRES_PASSWORD:?set it in .env, to letters and digits}", "${POSTGRES_PASSWORD}", "has no message"),
        ("    internal: true", "    internal: false", "leads outside"),
        ("    user: valkey\n", "    user: valkey\n    ports: ['127.0.0.1:6379:6379']\n", "reached from outside"),
        ("KABOOM_METRICS_PORT:", "KABOOM_METRIC_PORT:", "is no setting"),
        ("noeviction", "allkeys-lru", "may be lost"),
        ('--appendonly\n      - "yes"', '--appendonly\n      - "no"', "may be lost"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, fault: str) -> None:
    found = find_faults(changed(old, new))
    assert any(fault in sentence for sentence in found), found


def test_the_worker_runs_the_documented_command() -> None:
    argv = [
        "celery",
        "-A",
        "app.tasks.celery_app",
        "worker",
        *WORKER_OPTIONS,
        "--concurrency=4",
        "--prefetch-multiplier=1",
    ]
    assert SERVICES["worker"]["command"] == argv


def test_kaboom_can_start_on_what_it_is_given() -> None:
    environment = {name: re.sub(r"\$\{[^}]+\}", "text", str(v)) for name, v in SERVICES["api"]["environment"].items()}
    (default,) = re.findall(r"^\$\{KABOOM_BAR_STORE:-(\w+)\}$", SERVICES["api"]["environment"]["KABOOM_BAR_STORE"])
    settings = load_settings(**environment | {"KABOOM_BAR_STORE": default})
    assert settings.bar_store == "postgres"
    assert (settings.side_port, settings.metrics_port) == (8080, 9464)
    assert settings.require_broker_url() == settings.require_redis_url() == "redis://valkey:6379/0"


def test_links_in_notifications_lead_to_caddy() -> None:
    (site,) = re.findall(r"^\{\$KABOOM_SITE:(\S+)\} \{$", load_text("infra/compose/Caddyfile"), re.MULTILINE)
    assert SERVICES["worker"]["environment"]["KABOOM_PUBLIC_URL"] == f"https://${{KABOOM_SITE:-{site}}}"


def test_the_published_port_is_the_one_that_the_api_listens_on() -> None:
    (port,) = SERVICES["api"]["ports"]
    assert port.split(":")[-1] == str(SERVICES["api"]["environment"]["PORT"])


def test_prometheus_asks_where_kaboom_answers() -> None:
    scraped = yaml.safe_load(load_text("infra/prometheus/prometheus.yml"))
    targets = {found["names"][0]: found["port"] for job in scraped["scrape_configs"] for found in job["dns_sd_configs"]}
    environment = SERVICES["api"]["environment"]
    assert targets == {"api": environment["KABOOM_METRICS_PORT"], "worker": environment["PORT"]}


def test_an_alert_finds_its_way_to_the_api() -> None:
    scraped = yaml.safe_load(load_text("infra/prometheus/prometheus.yml"))
    (target,) = scraped["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"]
    assert target == f"alertmanager:{SERVICES['alertmanager']['ports'][0].rpartition(':')[2]}"
    (receiver,) = yaml.safe_load(load_text("infra/alerts/alertmanager.yaml"))["receivers"]
    (hook,) = receiver["webhook_configs"]
    assert hook["url"] == f"http://api:{SERVICES['api']['environment']['PORT']}/api/v1/notifications/alertmanager"
    (token,) = hook["http_config"]["http_headers"]["x-ingest-token"]["files"]
    assert f"> {token}\n" in SERVICES["alertmanager"]["entrypoint"][-1]


def test_backups_are_made_in_order_and_lie_together() -> None:
    made = {name: service for name, service in SERVICES.items() if name.startswith("backup-")}
    hours = {name: int(service["entrypoint"][2]) for name, service in made.items()}
    assert set(made) == {"backup-ledger", "backup-files"}
    assert hours["backup-ledger"] < hours["backup-files"]
    for service in made.values():
        assert {"backups:/var/tmp", "${KABOOM_COPIES:-backups}:/srv/copies"} <= set(service["volumes"])
        assert service["healthcheck"]["test"][1].startswith("find /srv/copies ")
        assert f"'{service['entrypoint'][3]}-" in service["healthcheck"]["test"][1]
    assert made["backup-ledger"]["image"] == SERVICES["postgres"]["image"]


def test_prometheus_finds_the_alerts() -> None:
    mounts = dict(mount.split(":")[:2] for mount in SERVICES["prometheus"]["volumes"])
    (pattern,) = yaml.safe_load(load_text("infra/prometheus/prometheus.yml"))["rule_files"]
    inside = Path(mounts["./infra/prometheus/prometheus.yml"]).parent / pattern
    assert str(inside.parent) == mounts["./infra/alerts"]
    assert inside.with_name("kaboom.rules.yaml").match(str(inside))
