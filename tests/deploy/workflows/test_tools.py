"""The fakes refuse what they do not know with 2, what Google would refuse with 1, and the scripts say why."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.rules.manifests import listed_variables
from tests.deploy.workflows.cloud import PROJECT, REGION, Cloud, Target
from tests.deploy.workflows.releases import OLDER, SECRETS, make_cloud
from tests.deploy.workflows.toolbox import on_path, plain_environment, serving_apis
from tests.deploy.workflows.tools import Tools
from tests.fixtures.repo.repository import ROOT

Done = subprocess.CompletedProcess[str]
MANIFESTS = ("api-service", "celery-worker-service", "migrate-job", "smoke-job", "nightly-job", "admin-job")


@contextmanager
def machine(cloud: Cloud, folder: Path, **faults: int) -> Iterator[dict[str, str]]:
    """Give the environment of a machine with the fakes, where the deployer is logged in."""
    cloud.account = f"kaboom-deployer@{PROJECT}.iam.gserviceaccount.com"
    with serving_apis(cloud, dict(faults)) as url, on_path(Tools(cloud, "me", url), folder / "bin") as programs:
        located = {"CLOUDSDK_CORE_PROJECT": PROJECT, "CLOUDSDK_RUN_REGION": REGION, "SECRET_PREFIX": "", "URL": url}
        yield plain_environment(programs) | located


def run(argv: list[str], env: dict[str, str]) -> Done:
    return subprocess.run(argv, env=env, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    "line",
    [
        "gcloud run services promote kaboom-api",
        "gcloud run services update-traffic kaboom-api --to-tag=candidate=100",
        "gcloud run services update-traffic kaboom-api --to-latest --to-revisions=a=100",
        "gcloud run services update-traffic kaboom-api",
        "gcloud run services update-traffic kaboom-api --to-latest=yes",
        "gcloud run services update-traffic --to-latest",
        "gcloud run services describe kaboom-api --format=yaml",
        "gcloud run services describe kaboom-api extra --format=json",
        "gcloud run services replace x.yaml --no-traffic",
        "gcloud secrets versions access latest --secret=redis-url",
        "gcloud run jobs execute kaboom-smoke --wait --format",
        "docker push x",
        "docker buildx build . --sbom=true",
        "cosign verify --key cosign.pub x",
        "syft x",
        "grype alpine --fail-on=critical",
        "docker buildx imagetools create x@sha256:1 --tags=y",
    ],
)
def test_an_unknown_command_line_ends_with_2(line: str, tmp_path: Path) -> None:
    with machine(make_cloud(), tmp_path) as env:
        done = run(line.split(), env)
    assert (done.returncode, done.stdout) == (2, "")
    assert "ERROR" in done.stderr


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("gcloud run services describe kaboom-web --format=json", "Service kaboom-web could not be found"),
        ("gcloud run services describe kaboom-api-staging --format=json", "may not touch kaboom-api-staging"),
        (
            "gcloud run services update-traffic kaboom-api --to-revisions=kaboom-api-00001-abc=100",
            "revision kaboom-api-00001-abc of kaboom-api does not exist",
        ),
        (
            "gcloud run services update-traffic kaboom-api --to-revisions=kaboom-api-00007-abc=90",
            "the traffic of kaboom-api does not add up to 100",
        ),
        (
            "gcloud run services update-traffic kaboom-api --to-tags=candidate=100",
            "kaboom-api has no tag {'candidate'}",
        ),
        (
            "gcloud run services update-traffic kaboom-api --remove-tags=candidate",
            "kaboom-api has no tag {'candidate'}",
        ),
        ("gcloud run services replace absent.yaml", "No such file or directory: 'absent.yaml'"),
        ("gcloud run jobs execute kaboom-smoke --wait", "job kaboom-smoke does not exist"),
        ("gcloud secrets versions list staging-redis-url --format=json", "may not touch -staging"),
        ("gcloud secrets versions list absent --format=json", "Secret [absent] not found"),
        (
            "docker buildx build . --file=api/Dockerfile --provenance=false --build-arg=RELEASE=x --tag=x --push",
            "expected a release, a base as the Dockerfile names it, and no index",
        ),
        ("cosign verify x", "may not read x"),
        ("docker buildx imagetools create --prefer-index=false --tag=x y@sha256:1", "may not read y@sha256:1"),
    ],
)
def test_what_google_would_refuse_ends_with_1_and_the_reason(line: str, why: str, tmp_path: Path) -> None:
    with machine(make_cloud(), tmp_path) as env:
        done = run(line.split(), env)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"ERROR: ({line.split(maxsplit=1)[0]}) ")
    assert done.stderr.endswith(f"{why}\n") or f"{why}: " in done.stderr


def test_no_command_goes_to_another_project_or_region(tmp_path: Path) -> None:
    argv = ["gcloud", "run", "services", "describe", "kaboom-api", "--format=json"]
    with machine(make_cloud(), tmp_path) as env:
        assert run(argv, env).returncode == 0
        assert run(argv, env | {"CLOUDSDK_CORE_PROJECT": "other"}).returncode == 1
        assert run(argv, env | {"CLOUDSDK_RUN_REGION": "us-east1"}).returncode == 1


def test_the_versions_are_those_that_the_manifests_want(tmp_path: Path) -> None:
    cloud = make_cloud()
    with machine(cloud, tmp_path) as env:
        done = run(["infra/deploy/secret-versions.sh", *(f"api/{name}.yaml" for name in MANIFESTS)], env)
    assert done.returncode == 0, done.stderr
    versions = dict(line.split("=") for line in done.stdout.splitlines())
    listed = {name for name in listed_variables() if name.startswith("VERSION_")}
    # The worker pool's own is not deployed by deploy.yml.
    assert set(versions) == listed
    assert set(versions.values()) == {"3"}
    assert len(versions) == len(SECRETS)


def test_a_secret_without_a_version_beside_it_is_refused(tmp_path: Path) -> None:
    manifest = tmp_path / "x.yaml"
    manifest.write_text("name: ${SECRET_PREFIX}redis-url\nname: ${SECRET_PREFIX}redis-ca\n", encoding="utf-8")
    with machine(make_cloud(), tmp_path) as env:
        done = run(["infra/deploy/secret-versions.sh", str(manifest)], env)
    assert (done.returncode, done.stdout) == (1, "")
    assert "redis-url has no version beside it" in done.stderr


def test_split_traffic_has_no_live_revision(tmp_path: Path) -> None:
    cloud = make_cloud()
    with machine(cloud, tmp_path) as env:
        whole = run(["infra/deploy/live-revision.sh", "kaboom-api"], env)
        cloud.services["kaboom-api"].traffic = [Target("kaboom-api-00007-abc", 50), Target("kaboom-api-00006-abc", 50)]
        split = run(["infra/deploy/live-revision.sh", "kaboom-api"], env)
        absent = run(["infra/deploy/live-revision.sh", "kaboom-web"], env)
    assert (whole.returncode, whole.stdout) == (0, "kaboom-api-00007-abc\n")
    for done in (split, absent):
        assert (done.returncode, done.stdout) == (1, "")
        assert "has no revision that serves all of its traffic" in done.stderr


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({}, ""),
        ({"readyz kaboom-api": 503}, "expected ready and release"),
        ({"release kaboom-api": 1}, "expected ready and release"),
        ({"post kaboom-api": 202}, "answered with 202, expected 401"),
        ({"post kaboom-api": 404}, "answered with 404, expected 401"),
    ],
)
def test_the_smoke_test_says_what_is_wrong(fault: dict[str, int], words: str, tmp_path: Path) -> None:
    with machine(make_cloud(), tmp_path, **fault) as env:
        done = run(["infra/deploy/smoke.sh", f"{env['URL']}/kaboom-api", OLDER], env)
    assert done.returncode == (1 if words else 0)
    assert words in done.stderr
    assert done.stderr.count("try ") == (2 if words else 0)


def test_the_smoke_test_notices_that_nobody_answers(tmp_path: Path) -> None:
    with machine(make_cloud(), tmp_path) as env:
        nobody = run(["infra/deploy/smoke.sh", "http://127.0.0.1:1", OLDER], env)
        nonsense = run(["infra/deploy/smoke.sh", f"{env['URL']}/kaboom-web", OLDER], env)
    assert (nobody.returncode, nonsense.returncode) == (1, 1)
    assert "did not answer" in nobody.stderr
