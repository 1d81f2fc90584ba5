"""Each variable is one that the settings read, and each secret is the one that its variable says."""

import pytest

from kaboom.cli.smoke import PING_S
from kaboom.providers.registry import get_provider_spec
from tests.deploy.rules import env_rules as rules
from tests.deploy.rules.manifests import (
    API,
    MIGRATE,
    POOL,
    RUN,
    SMOKE,
    WORKER,
    default_values,
    listed_variables,
    parse,
    planted,
    render,
    sample_values,
    values_of,
)
from tests.deploy.rules.run_rules import main_of

VALUES = sample_values()


def has(fault: str, found: list[str]) -> bool:
    return any(fault in each for each in found)


@pytest.mark.parametrize("name", RUN)
def test_the_settings_take_what_a_manifest_gives(name: str) -> None:
    assert rules.env_faults(parse(render(name))) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (WORKER, "name: KABOOM_SLOTS", "name: KABOOM_SLOT", "KABOOM_SLOT is read by nobody"),
        (WORKER, "name: KABOOM_SLOTS", "name: PORT", "PORT is set by Cloud Run"),
        (WORKER, "name: KABOOM_SLOTS", "name: DISABLE_REDIS", "DISABLE_REDIS stands twice"),
        (API, "name: KABOOM_PROVIDER", "name: INGEST_API_TOKEN", "INGEST_API_TOKEN is a secret, and stands in the"),
        (API, 'value: "20"', 'value: "many"', "KABOOM_SLOTS"),
        (API, 'value: "8080"', 'value: "80800"', "KABOOM_METRICS_PORT"),
        (SMOKE, VALUES["RELEASE"], "v 1", "KABOOM_RELEASE"),
        (POOL, 'value: "false"', 'value: "no way"', "DISABLE_CELERY"),
    ],
)
def test_a_variable_that_would_fail_is_found(name: str, old: str, new: str, fault: str) -> None:
    assert has(fault, rules.env_faults(planted(name, old, new)))


@pytest.mark.parametrize("name", RUN)
def test_each_variable_gets_its_own_secret_at_its_version(name: str) -> None:
    assert rules.secret_faults(parse(render(name)), VALUES) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "fault"),
    [
        (WORKER, 'name: "staging-redis-url"', 'name: "redis-url"', "redis-url is another environment's"),
        (
            WORKER,
            'name: "staging-redis-url"',
            'name: "staging-database-url"',
            "staging-database-url fills DATABASE_URL",
        ),
        (API, f'key: "{VALUES["VERSION_DATABASE_URL"]}"', "key: latest", "DATABASE_URL: version was 'latest'"),
        (
            API,
            f'key: "{VALUES["VERSION_JWT_SECRET_KEY"]}"',
            f'key: "{VALUES["VERSION_DATABASE_URL"]}"',
            "JWT_SECRET_KEY: version was",
        ),
        (MIGRATE, "name: DATABASE_URL", "name: DATABASE_URI", "fills DATABASE_URL"),
        (API, "staging-webhook-secret", "staging-kaboom-webhook-secrets", "fills KABOOM_WEBHOOK_SECRETS"),
        (SMOKE, 'secretName: "staging-redis-ca"', 'secretName: "staging-redis-url"', "volume redis-ca holds"),
        (SMOKE, f'key: "{VALUES["VERSION_REDIS_CA"]}"', 'key: "0"', "REDIS_CA: version was '0'"),
    ],
)
def test_a_wrong_secret_is_found(name: str, old: str, new: str, fault: str) -> None:
    assert has(fault, rules.secret_faults(planted(name, old, new), VALUES))


@pytest.mark.parametrize("name", [API, WORKER, POOL])
def test_links_in_notifications_lead_to_the_api(name: str) -> None:
    assert rules.link_faults(parse(render(name)), VALUES) == []


@pytest.mark.parametrize(
    ("old", "new"), [("KABOOM_PUBLIC_URL", "KABOOM_API_URL"), (VALUES["API_URL"], "https://a.net")]
)
def test_a_link_that_leads_elsewhere_is_found(old: str, new: str) -> None:
    assert has("KABOOM_PUBLIC_URL was", rules.link_faults(planted(WORKER, old, new), VALUES))


@pytest.mark.parametrize("name", [API, WORKER, POOL])
def test_a_service_has_every_specified_secret(name: str) -> None:
    assert rules.complete_faults(parse(render(name))) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("name: OPENROUTER_API_KEY", "name: OPENROUTER_KEY", "openrouter-api-key is missing"),
        ("name: INGEST_API_TOKEN", "name: INGEST_TOKEN", "ingest-api-token is missing"),
        ("name: KABOOM_WEBHOOK_SECRET", "name: WEBHOOK_SECRET", "webhook-secret is missing"),
        ("mountPath: /etc/kaboom/redis", "mountPath: /etc/redis", "files were ['/etc/redis/ca.pem']"),
        ("path: ca.pem", "path: ca.crt", "files were ['/etc/kaboom/redis/ca.crt']"),
        ("- name: redis-ca\n          mountPath", "- name: ca\n          mountPath", "files were ['None/ca.pem']"),
    ],
)
def test_a_missing_secret_is_found(old: str, new: str, fault: str) -> None:
    assert has(fault, rules.complete_faults(planted(API, old, new)))


def test_the_smoke_job_reaches_redis_as_the_services_do() -> None:
    assert rules.ca_faults(parse(render(SMOKE))) == []
    assert PING_S < 10


def test_a_version_is_resolved_for_each_secret() -> None:
    versions = {name for name in listed_variables() if name.startswith("VERSION_")}
    named = {f"VERSION_{rules.variable_of(secret)}" for secret in (*rules.SECRETS, rules.CA_SECRET)}
    assert versions == named


def test_the_limits_are_those_of_the_providers() -> None:
    for name in ("jquants", "yahoo"):
        limit = get_provider_spec(name).capabilities.requests_per_minute
        assert default_values()[f"{name.upper()}_REQUESTS_PER_MINUTE"] == str(limit)


def test_api_and_workers_are_given_the_same() -> None:
    own = {"KABOOM_METRICS_PORT", "KABOOM_PROXY_HOPS", "KABOOM_SIDE_PORT", "KABOOM_TRACE_PROJECT"}
    api, worker, pool = (main_of(parse(render(name))) for name in (API, WORKER, POOL))
    plain = [{k: v for k, v in values_of(main).items() if k not in own} for main in (api, worker, pool)]
    assert plain[0] == plain[1] == plain[2]
    secret = [[entry for entry in main["env"] if "valueFrom" in entry] for main in (api, worker, pool)]
    assert secret[0] == secret[1] == secret[2]
