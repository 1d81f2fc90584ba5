"""Settings, examples, docs, manifests and Terraform name the same secrets, and one rule names each."""

from collections.abc import Iterator, Mapping

import pytest

from kaboom.settings import NOT_KEPT, AppSettings, secret_variables
from tests.fixtures.repo import secret_names
from tests.fixtures.repo.repository import ROOT, load_text
from tests.fixtures.repo.secret_names import (
    FILES,
    in_example,
    in_manifest,
    in_reference,
    in_table,
    in_terraform,
    in_version_list,
    kept_variables,
)

#: The specified secrets; `influxdb-bucket-*` stands for three.
REPORT = {
    "redis-url", "celery-broker-url", "celery-result-backend", "database-url", "influxdb-host", "influxdb-token",
    "influxdb-org", "influxdb-bucket-raw-1m-hot", "influxdb-bucket-agg-5m", "influxdb-bucket-agg-1d",
    "ingest-api-token", "supabase-url", "supabase-anon-key", "openrouter-api-key", "jwt-secret-key",
}  # fmt: skip

TABLE = "docs/operations/secrets.md"
TERRAFORM = "infra/terraform/secrets.tf"
VERSIONS = "infra/deploy/variables"
#: Each of these gets all secrets, as specified.
SERVICES = ("api/api-service.yaml", "api/celery-worker-service.yaml", "api/celery-worker-pool.yaml")
#: These get what they need.
JOBS = tuple(f"api/{path.name}" for path in sorted((ROOT / "api").glob("*-job.yaml")))
TEXTS = (TABLE, TERRAFORM, VERSIONS, *SERVICES, *JOBS, ".env.example", "docs/reference/settings.md")


def disagreements(texts: Mapping[str, str]) -> Iterator[str]:
    """Yield what the texts say differently."""
    known = kept_variables()
    wanted = known.keys() | FILES
    yield from _differ("the settings", {*known} | REPORT, {*known})
    table = in_table(texts[TABLE])
    yield from _differ(TABLE, {*wanted}, set(table))
    yield from (f"{TABLE}: {s} is {v}" for s, v in table.items() if known.get(s, v) != v)
    yield from _differ(TERRAFORM, {*wanted}, in_terraform(texts[TERRAFORM]))
    versions = {secret.upper().replace("-", "_") for secret in FILES}
    yield from _differ(VERSIONS, {*known.values()} | versions, in_version_list(texts[VERSIONS]))
    for path in (*SERVICES, *JOBS):
        found, odd = in_manifest(texts[path])
        yield from (f"{path}: {each}" for each in odd)
        yield from _differ(path, {*wanted} if path in SERVICES else {*found} & wanted, set(found))
    read = set(secret_variables()) | NOT_KEPT
    yield from (f".env.example: no {each}" for each in read - in_example(texts[".env.example"]))
    page = "docs/reference/settings.md"
    yield from (f"{page}: no {each}" for each in read - in_reference(texts[page]))


def _differ(place: str, wanted: set[str], found: set[str]) -> Iterator[str]:
    yield from (f"{place}: no {each}" for each in sorted(wanted - found))
    yield from (f"{place}: {each} is none of ours" for each in sorted(found - wanted))


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    """Every text that names secrets; one that is missing fails here."""
    return {path: load_text(path) for path in TEXTS}


def test_all_name_the_same(texts: dict[str, str]) -> None:
    assert list(disagreements(texts)) == []


def test_what_is_no_setting_is_an_explicit_list() -> None:
    assert {*kept_variables()} - REPORT == {
        "jquants-api-key", "notification-key", "supabase-jwt-secret", "webhook-secret",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "old", "new", "told"),
    [
        (SERVICES[0], '"${VERSION_REDIS_URL}"', "latest", "REDIS_URL: ${SECRET_PREFIX}redis-url, version latest"),
        (SERVICES[0], '"${VERSION_REDIS_URL}"', '"7"', "REDIS_URL: ${SECRET_PREFIX}redis-url, version 7"),
        (SERVICES[1], "${SECRET_PREFIX}database-url", "database-url", "DATABASE_URL: database-url"),
        (SERVICES[1], "${SECRET_PREFIX}influxdb-org", "${SECRET_PREFIX}influx-org", "no influxdb-org"),
        (SERVICES[2], "name: JWT_SECRET_KEY", "name: JWT_KEY", "JWT_KEY: ${SECRET_PREFIX}jwt-secret-key"),
        (SERVICES[2], "${VERSION_INGEST_API_TOKEN}", "${VERSION_REDIS_URL}", "INGEST_API_TOKEN"),
        (SERVICES[0], "${SECRET_PREFIX}redis-ca", "${SECRET_PREFIX}redis-cert", "no redis-ca"),
        ("api/migrate-job.yaml", "${SECRET_PREFIX}database-url", "${SECRET_PREFIX}db-url", "db-url is none of ours"),
        (TERRAFORM, "influxdb-token ", "influxdb-tokens ", "no influxdb-token"),
        (TERRAFORM, "redis-ca ", "redis-cert ", "redis-cert is none of ours"),
        (TERRAFORM, "  readers = {", "  reader = {", "no redis-url"),
        (VERSIONS, "VERSION_KABOOM_WEBHOOK_SECRET\n", "", "no KABOOM_WEBHOOK_SECRET"),
        (VERSIONS, "VERSION_REDIS_URL\n", "VERSION_REDIS_URL\nVERSION_REDIS_URI\n", "REDIS_URI is none of ours"),
        (TABLE, "| `openrouter-api-key` |", "| openrouter-api-key |", "no openrouter-api-key"),
        (TABLE, "| `KABOOM_WEBHOOK_SECRET` |", "| `WEBHOOK_SECRET` |", "webhook-secret is WEBHOOK_SECRET"),
        (".env.example", "INGEST_API_TOKEN=", "INGEST_TOKEN=", "no INGEST_API_TOKEN"),
        ("docs/reference/settings.md", "| `DATABASE_URL` |", "| DATABASE_URL |", "no DATABASE_URL"),
    ],
)
def test_a_planted_difference_is_reported(texts: dict[str, str], path: str, old: str, new: str, told: str) -> None:
    assert old in texts[path]
    found = list(disagreements(texts | {path: texts[path].replace(old, new, 1)}))
    assert [each for each in found if each.startswith(path) and told in each]


def test_a_setting_that_nobody_else_knows_is_reported(texts: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    known = secret_variables() | {"OTHER_TOKEN": "other_token"}
    for place in (globals(), vars(secret_names)):
        monkeypatch.setitem(place, "secret_variables", lambda: known)
    found = list(disagreements(texts))
    assert f"{TERRAFORM}: no other-token" in found


def test_secrets_that_no_deployment_keeps_are_settings_too() -> None:
    assert {str(field.validation_alias) for field in AppSettings.model_fields.values()} >= NOT_KEPT
    assert not NOT_KEPT & set(secret_variables())


def test_every_file_is_there_or_this_fails() -> None:
    assert {"api/migrate-job.yaml", "api/smoke-job.yaml"} <= set(JOBS)
    with pytest.raises(FileNotFoundError):
        load_text("api/no-service.yaml")
