"""Staging builds, scans, signs and says what it ran; main takes that digest, and refuses what staging has not run."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.deploy.workflows.cloud import REGISTRY, Cloud, CloudError
from tests.deploy.workflows.expressions import UnknownError
from tests.deploy.workflows.registry import STAGING
from tests.deploy.workflows.releases import (
    DEPLOY,
    OLDER,
    RELEASE,
    STAGED,
    WORKFLOW,
    Push,
    changed,
    live,
    make_cloud,
    release,
    stage,
)
from tests.deploy.workflows.runner import Job
from tests.fixtures.repo.repository import ROOT

API, WORKER = "kaboom-api", "kaboom-celery-worker"
#: A commit that staging has not run.
NEWER = "beef" * 10
TO_STAGING, TO_MAIN = Push("staging", sha=NEWER), Push(sha=NEWER)

Scenario = Callable[[Push, Push, Path], None]


def results(jobs: Mapping[str, Job], *names: str) -> list[str]:
    return [jobs[name].result for name in names]


def images_of(suffix: str, digest: str) -> dict[str, str]:
    """Return the names of an environment's images."""
    return {
        "api-image": f"{REGISTRY}/kaboom-api{suffix}/{API}{suffix}@{digest}",
        "worker-image": f"{REGISTRY}/kaboom-worker{suffix}/{WORKER}{suffix}@{digest}",
    }


def runs_one_digest(cloud: Cloud, suffix: str, digest: str) -> None:
    """Fail unless all of an environment runs one digest."""
    images = images_of(suffix, digest)
    assert cloud.services[f"{API}{suffix}"].live.image == images["api-image"]
    assert cloud.services[f"{WORKER}{suffix}"].live.image == images["worker-image"]
    for name in ("migrate", "smoke", "nightly", "admin"):
        job = cloud.jobs[f"kaboom-{name}{suffix}"]
        [container] = job["spec"]["template"]["spec"]["template"]["spec"]["containers"]
        assert container["image"] == images["worker-image"]


def from_staging_to_production(staging: Push, main: Push, folder: Path) -> None:
    cloud = make_cloud()
    jobs = release(cloud, staging, folder / "staging")
    assert results(jobs, "gate", "build", "deploy", "staged") == ["success"] * 4, jobs["staged"].log
    digest = cloud.images.get(f"{STAGING}:staged-{NEWER}", "")
    assert jobs["build"].outputs == images_of("-staging", digest)
    runs_one_digest(cloud, "-staging", digest)
    jobs = release(cloud, main, folder / "main")
    assert results(jobs, "gate", "build", "deploy", "staged") == ["skipped", "success", "success", "skipped"]
    assert jobs["build"].outputs == images_of("", digest)
    runs_one_digest(cloud, "", digest)
    assert set(live(cloud, API, WORKER).values()) == {NEWER}
    signed = {(kind, image, by.rpartition("/")[2]) for kind, image, by, commit in cloud.signatures if commit == NEWER}
    assert signed == {
        (kind, image, branch)
        for branch, suffix in (("staging", "-staging"), ("main", ""))
        for image in images_of(suffix, digest).values()
        for kind in ("signature", "cyclonedx")
    } | {(STAGED, f"{STAGING}@{digest}", "staging")}


def a_release_branch(staging: Push, main: Push, folder: Path) -> None:
    cloud = make_cloud()
    release(cloud, replace(staging, branch="release/2026.12"), folder / "staging")
    assert release(cloud, main, folder / "main")["deploy"].result == "success"


def is_refused(cloud: Cloud, main: Push, folder: Path, reason: str) -> None:
    """Fail unless a push to main changes nothing and says why."""
    before = dict(cloud.images)
    jobs = release(cloud, main, folder)
    assert results(jobs, "build", "deploy") == ["failure", "skipped"]
    assert f"::error::{reason}" in jobs["build"].log, jobs["build"].log
    assert cloud.images == before
    assert set(live(cloud, API, WORKER).values()) == {OLDER}
    assert not [entry for entry in cloud.journal if "staging" not in entry]


def never_staged(staging: Push, main: Push, folder: Path) -> None:
    is_refused(make_cloud(), main, folder, f"staging has not run {NEWER}: push this commit to staging")


def staging_failed(staging: Push, main: Push, folder: Path) -> None:
    cloud = make_cloud()
    jobs = release(cloud, replace(staging, api_faults={f"release {API}-staging": OLDER}), folder / "staging")
    assert results(jobs, "build", "deploy", "staged") == ["success", "failure", "skipped"]
    is_refused(cloud, main, folder / "main", f"staging has not run {NEWER}")


def a_tag_that_somebody_moved(staging: Push, main: Push, folder: Path) -> None:
    cloud = make_cloud()
    # What staging ran of another commit is passed off as this one's.
    cloud.images[f"{STAGING}:staged-{NEWER}"] = cloud.images[f"{STAGING}:staged-{RELEASE}"]
    is_refused(cloud, main, folder, f"{STAGING}@")


def without(*kinds: str) -> Callable[[Cloud], None]:
    """Return what takes signatures of staging's away."""

    def take(cloud: Cloud) -> None:
        cloud.signatures = {each for each in cloud.signatures if each[0] not in kinds}

    return take


def signed_by(by: str) -> Callable[[Cloud], None]:
    """Return what lets another than staging's workflow have signed."""

    def sign(cloud: Cloud) -> None:
        cloud.signatures = {(kind, image, by, commit) for kind, image, _, commit in cloud.signatures}

    return sign


def wrongly_signed(staging: Push, main: Push, folder: Path) -> None:
    unsigned = "was not built and signed by staging's release of"
    cases: tuple[tuple[Callable[[Cloud], None], str], ...] = (
        (without("signature"), unsigned),
        (without("cyclonedx"), "has no bill of materials"),
        (without(STAGED), "did not attest that it ran"),
        (signed_by(f"https://github.com/{WORKFLOW}feature"), unsigned),
        (signed_by(f"https://github.com/you/kaboom{WORKFLOW.removeprefix('me/kaboom')}staging"), unsigned),
        (signed_by(f"https://github.com/{WORKFLOW}staging-2"), unsigned),
        (signed_by("https://github.com/me/kaboom/.github/workflows/deployXyml@refs/heads/staging"), unsigned),
    )
    for n, (tamper, reason) in enumerate(cases):
        cloud = make_cloud()
        stage(cloud, NEWER)
        tamper(cloud)
        jobs = release(cloud, main, folder / str(n))
        assert results(jobs, "build", "deploy") == ["failure", "skipped"], n
        assert reason in jobs["build"].log, jobs["build"].log
        assert cloud.journal == []


def a_copy_of_another_digest(staging: Push, main: Push, folder: Path) -> None:
    cloud = make_cloud()
    stage(cloud, NEWER)
    cloud.recompresses = True
    jobs = release(cloud, main, folder)
    assert results(jobs, "build", "deploy") == ["failure", "skipped"]
    assert "has another digest" in jobs["build"].log


def two_digests(staging: Push, main: Push, folder: Path) -> None:
    cloud = make_cloud()
    cloud.recompresses = True
    jobs = release(cloud, staging, folder)
    assert results(jobs, "build", "deploy", "staged") == ["failure", "skipped", "skipped"]
    assert "one build has two digests" in jobs["build"].log


def a_vulnerability_with_a_fix(staging: Push, main: Push, folder: Path) -> None:
    for push in (staging, main):
        cloud = make_cloud()
        stage(cloud, NEWER)
        cloud.critical = {"CVE-2026-1": True}
        before = set(cloud.signatures)
        jobs = release(cloud, push, folder / push.branch)
        assert results(jobs, "build", "deploy") == ["failure", "skipped"]
        assert "CVE-2026-1" in jobs["build"].log
        assert cloud.signatures == before
        assert cloud.journal == []


def a_vulnerability_without_a_fix(staging: Push, main: Push, folder: Path) -> None:
    cloud = make_cloud()
    cloud.critical = {"CVE-2026-2": False}
    assert release(cloud, staging, folder)["staged"].result == "success"


def shut_gate(staging: Push, main: Push, folder: Path) -> None:
    cloud = make_cloud()
    before = dict(cloud.images)
    jobs = release(cloud, replace(staging, gate="failure"), folder)
    assert results(jobs, "build", "deploy", "staged") == ["skipped"] * 3
    assert (cloud.images, cloud.journal) == (before, [])


def by_hand(staging: Push, main: Push, folder: Path) -> None:
    cloud = make_cloud()
    release(cloud, staging, folder / "push")
    before = set(cloud.signatures)
    jobs = release(cloud, replace(staging, event="workflow_dispatch", sha="deed" * 10), folder / "hand")
    # The branch has moved on: what runs is not of its newest commit.
    assert results(jobs, "live", "deploy", "staged") == ["success", "success", "skipped"]
    assert cloud.signatures == before


SCENARIOS: tuple[Scenario, ...] = (
    from_staging_to_production,
    a_release_branch,
    never_staged,
    staging_failed,
    a_tag_that_somebody_moved,
    wrongly_signed,
    a_copy_of_another_digest,
    two_digests,
    a_vulnerability_with_a_fix,
    a_vulnerability_without_a_fix,
    shut_gate,
    by_hand,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenario(scenario: Scenario, tmp_path: Path) -> None:
    scenario(TO_STAGING, TO_MAIN, tmp_path)


SHUT = "if: ${{ !failure() && !cancelled() }}"
FAULTS: Mapping[str, tuple[Callable[[str], str], Scenario]] = {
    "production builds": (
        changed("if: needs.target.outputs.environment == 'staging'", "if: always()"),
        from_staging_to_production,
    ),
    "staging promotes": (
        changed("if: needs.target.outputs.environment == 'production'", "if: success()"),
        from_staging_to_production,
    ),
    "images by tag": (
        changed("api-image=$API_REPOSITORY@$digest", "api-image=$API_REPOSITORY:$TAG"),
        from_staging_to_production,
    ),
    "two digests are as good as one": (changed('[ "$digest" = "$other" ]', "true"), two_digests),
    "a need forgotten": (changed("needs: [gate, target]", "needs: [target]"), shut_gate),
    "a deployment though the gate is shut": (changed(SHUT, "if: ${{ always() && !cancelled() }}"), shut_gate),
    "main goes through the gate again": (changed(" && github.ref_name != 'main'", ""), from_staging_to_production),
    "nobody says what staging ran": (changed("cosign attest --yes --type", "true --type"), from_staging_to_production),
    "no tag for main": (
        changed("docker buildx imagetools create --prefer-index=false --tag", "true"),
        from_staging_to_production,
    ),
    "the tag is of an index": (changed(" --prefer-index=false", ""), from_staging_to_production),
    "a failed release counts": (changed("needs.deploy.result == 'success'", "needs.deploy.result"), staging_failed),
    "what is deployed by hand counts": (
        changed("!cancelled() && github.event_name == 'push' &&", "!cancelled() &&"),
        by_hand,
    ),
    "the deployer attests": (
        changed(
            "service_account: kaboom-builder${{ needs.target.outputs.suffix }}",
            "service_account: kaboom-deployer${{ needs.target.outputs.suffix }}",
        ),
        from_staging_to_production,
    ),
    "nobody scans": (changed("grype ", "true "), a_vulnerability_with_a_fix),
    "nobody heeds the scan": (
        changed(" --only-fixed --fail-on=critical\n", " --only-fixed --fail-on=critical || true\n"),
        a_vulnerability_with_a_fix,
    ),
    "what has no fix stops a release": (changed(" --only-fixed", ""), a_vulnerability_without_a_fix),
    "a gentler scan": (changed("--fail-on=critical", "--fail-on=high"), a_vulnerability_without_a_fix),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_workflow_shows(fault: str, tmp_path: Path) -> None:
    change, scenario = FAULTS[fault]
    text = change(DEPLOY)
    with pytest.raises((AssertionError, UnknownError, CloudError)):
        scenario(replace(TO_STAGING, text=text), replace(TO_MAIN, text=text), tmp_path)


SCRIPT = "infra/deploy/promote.sh"
SCRIPT_FAULTS: Mapping[str, tuple[str, str, Scenario]] = {
    "a signature of any commit": (' --certificate-github-workflow-sha "$commit"', "", a_tag_that_somebody_moved),
    "a signature is enough": ("signed verify-attestation", "true", wrongly_signed),
    "nobody looks at the signature": ("signed verify ||", "true ||", wrongly_signed),
    "any branch": ("(staging|release/.+)", ".+", wrongly_signed),
    "what begins like staging": (")\\$", ")", wrongly_signed),
    "any repository": ('^https://github\\\\.com/$(escape "${GITHUB_WORKFLOW_REF%@*}")', "", wrongly_signed),
    "any letter for a dot": ("sed 's/[.+]/\\\\&/g'", "cat", wrongly_signed),
    "staging's branch alone": ("(staging|release/.+)", "staging", a_release_branch),
    "an index of the image": (" --prefer-index=false", "", from_staging_to_production),
    "the worker's image is not copied": (' "${WORKER_REPOSITORY:?}"; do', "; do", from_staging_to_production),
    "nobody compares the copies": ('[ "$copied" = "$digest" ]', "true", a_copy_of_another_digest),
    "the newest image of staging": (":staged-$commit", f":staged-{RELEASE}", never_staged),
    "no reason": ("push this commit to staging", "sorry", never_staged),
}


@pytest.mark.parametrize("fault", SCRIPT_FAULTS)
def test_a_fault_in_the_script_shows(fault: str, tmp_path: Path) -> None:
    old, new, scenario = SCRIPT_FAULTS[fault]
    text = (ROOT / SCRIPT).read_text(encoding="utf-8")
    assert old in text
    script = tmp_path / "promote.sh"
    script.write_text(text.replace(old, new), encoding="utf-8")
    script.chmod(0o755)
    main = replace(TO_MAIN, text=changed(SCRIPT, str(script))(DEPLOY))
    with pytest.raises(AssertionError):
        scenario(TO_STAGING, main, tmp_path)
