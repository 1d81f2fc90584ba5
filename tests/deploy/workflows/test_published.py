"""A published image is deployed without its tests and its build, and only what a tag of its repository signed."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import helm_python
import pytest
import yaml

from tests.deploy.rules.kubernetes_rules import render
from tests.deploy.workflows.cloud import Cloud
from tests.deploy.workflows.registry import STAGING
from tests.deploy.workflows.releases import DEPLOY, OLDER, WORKFLOW, Push, changed, live, make_cloud, release
from tests.fixtures.repo.repository import ROOT, load_text

IMAGE, COMMIT = "ghcr.io/someone/kaboom", "beef" * 10
DIGEST = "sha256:" + hashlib.sha256(COMMIT.encode()).hexdigest()
#: The owner writes the repository's name so; the name of an image is in lower case.
RELEASER = "https://github.com/Someone/Kaboom/.github/workflows/release.yml@refs/tags/v1.2.0"
PUSH = Push("staging", sha=COMMIT, variables={"PUBLISHED_IMAGE": IMAGE})
CHART = ROOT / "infra/deploy/package-chart.sh"
#: Hands the script's call to Helm's own library.
_HELM = """#!/usr/bin/env bash
[ "$1" = package ] && [ "$3 $5 $7" = "--version --app-version --destination" ] || exit 2
exec "$PYTHON" -c 'import sys, helm_python as h
_, chart, version, app, folder = sys.argv
h.package(chart, version=version, app_version=app, destination=folder)' "$2" "$4" "$6" "$8"
"""


def published(by: str = RELEASER, commit: str = COMMIT, *kinds: str) -> Cloud:
    """Return a cloud beside which an image was published of a commit, signed by a workflow."""
    cloud = make_cloud()
    cloud.images[f"{IMAGE}:commit-{COMMIT}"] = DIGEST
    cloud.signatures |= {(kind, f"{IMAGE}@{DIGEST}", by, commit) for kind in kinds or ("signature", "cyclonedx")}
    return cloud


def test_a_published_image_goes_to_staging_and_on_to_production(tmp_path: Path) -> None:
    cloud = published()
    # Where the gate ran, it would stop the release.
    jobs = release(cloud, replace(PUSH, gate="failure"), tmp_path / "staging")
    assert [jobs[name].result for name in ("gate", "build", "deploy", "staged")] == ["skipped", *["success"] * 3]
    assert cloud.services["kaboom-api-staging"].live.image.endswith(f"@{DIGEST}")
    assert cloud.images[f"{STAGING}:staged-{COMMIT}"] == DIGEST
    signed = {by for _, image, by, _ in cloud.signatures if DIGEST in image and "ghcr.io" not in image}
    assert signed == {f"https://github.com/{WORKFLOW}staging"}
    jobs = release(cloud, Push(sha=COMMIT, variables=PUSH.variables), tmp_path / "main")
    assert jobs["deploy"].result == "success"
    assert cloud.services["kaboom-api"].live.image.endswith(f"@{DIGEST}")


@pytest.mark.parametrize(
    ("cloud", "reason"),
    [
        (make_cloud(), f"{IMAGE} has no release of {COMMIT}"),
        (published(RELEASER.replace("Someone", "else")), "was not built and signed by a release"),
        (published(RELEASER.replace("refs/tags/v1.2.0", "refs/heads/main")), "was not built and signed by a release"),
        (published(RELEASER.replace("release.yml", "ci.yml")), "was not built and signed by a release"),
        (published(RELEASER, OLDER), "was not built and signed by a release"),
        (published(RELEASER, COMMIT, "signature"), "has no bill of materials"),
    ],
    ids=["not published", "of another repository", "of a branch", "of another workflow", "of another commit", "bare"],
)
def test_what_was_not_published_is_refused(cloud: Cloud, reason: str, tmp_path: Path) -> None:
    before = dict(cloud.images)
    jobs = release(cloud, PUSH, tmp_path)
    assert [jobs[name].result for name in ("build", "deploy")] == ["failure", "skipped"]
    assert reason in jobs["build"].log, jobs["build"].log
    assert cloud.images == before
    assert set(live(cloud, "kaboom-api-staging", "kaboom-celery-worker-staging").values()) == {OLDER}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" && vars.PUBLISHED_IMAGE == ''\n    uses:", "\n    uses:"),
        ("environment == 'staging' && vars.PUBLISHED_IMAGE == ''", "environment == 'staging'"),
        ("environment == 'production' || vars.PUBLISHED_IMAGE != ''", "environment == 'production'"),
        ("environment == 'staging' && vars.PUBLISHED_IMAGE || ''", "environment == 'staging' && '' || ''"),
    ],
)
def test_a_fault_in_the_workflow_is_found(old: str, new: str, tmp_path: Path) -> None:
    assert old in DEPLOY
    with pytest.raises(AssertionError):
        a_fault(changed(old, new)(DEPLOY), tmp_path)


def a_fault(text: str, folder: Path) -> None:
    cloud = published()
    jobs = release(cloud, replace(PUSH, gate="failure", text=text), folder)
    assert jobs["deploy"].result == "success"
    assert cloud.services["kaboom-api-staging"].live.image.endswith(f"@{DIGEST}")


def package(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    (folder / "helm").write_text(_HELM)
    (folder / "helm").chmod(0o755)
    env = {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHON": sys.executable}
    argv = [str(CHART), *arguments, str(folder)]
    return subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_a_published_chart_needs_no_values(tmp_path: Path) -> None:
    done = package(tmp_path, "1.2.0", f"{IMAGE}@{DIGEST}")
    assert done.returncode == 0, done.stderr
    things = render(tmp_path / "kaboom-1.2.0.tgz", {})
    pods = [thing["spec"]["template"]["spec"] for thing in things if thing["kind"] in {"Deployment", "Job"}]
    assert {c["image"] for pod in pods for c in pod["containers"]} == {f"{IMAGE}@{DIGEST}"}
    with helm_python.Chart.load(tmp_path / "kaboom-1.2.0.tgz") as chart:
        assert (chart.version, chart.metadata["appVersion"]) == ("1.2.0", "1.2.0")


@pytest.mark.parametrize("image", [f"{IMAGE}:1.2.0", f"{IMAGE}@sha256:abc", f"{IMAGE}@{DIGEST}|evil"])
def test_a_chart_of_an_image_without_a_digest_is_refused(image: str, tmp_path: Path) -> None:
    done = package(tmp_path, "1.2.0", image)
    assert done.returncode == 1
    assert "is not named by its digest" in done.stderr
    assert not list(tmp_path.glob("*.tgz"))


def test_what_is_published_is_scanned_before_it_is_signed() -> None:
    steps = yaml.safe_load(load_text(".github/workflows/release.yml"))["jobs"]["publish"]["steps"]
    order = [word for step in steps for word in ("--push", "grype ", "cosign sign") if word in step.get("run", "")]
    assert order == ["--push", "grype ", "cosign sign", "cosign sign"]
    names = {step["name"]: step.get("run", "") for step in steps}
    assert "merge-base --is-ancestor" in names["Refuse a tag that main does not have"]
