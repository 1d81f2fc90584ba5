"""deploy.yml, run step by step: what a release changes, what a failure leaves, and that a fault in the file shows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.deploy.workflows.cloud import CloudError, Target
from tests.deploy.workflows.expressions import UnknownError
from tests.deploy.workflows.releases import (
    DEPLOY,
    OLDER,
    RELEASE,
    Push,
    changed,
    environment,
    live,
    make_cloud,
    outcomes,
    release,
    stage,
    state,
    swapped,
)

PUSH = Push()
API, WORKER = "kaboom-api", "kaboom-celery-worker"
CANDIDATE = f"{API}-00008-abc"


def release_goes_out(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    jobs = release(cloud, push, folder)
    assert {name: job.result for name, job in jobs.items()} == dict.fromkeys(
        ("gate", "target", "build", "live", "deploy", "staged"), "success"
    ) | dict.fromkeys(("gate", "live", "staged"), "skipped")
    assert cloud.manifests == RELEASE
    assert live(cloud, API, WORKER) == {API: RELEASE, WORKER: RELEASE}
    assert cloud.journal == [
        "execute kaboom-migrate",
        f"replace {API}",
        f"replace {WORKER}",
        "execute kaboom-smoke",
        f"traffic {API} {CANDIDATE}=100",
        f"untag {API}",
    ]
    assert outcomes(jobs["deploy"], "Bring the API back", "Bring the worker back") == ["skipped", "skipped"]
    # By name, not "whatever is newest": a revision that somebody makes later gets nothing by itself.
    assert cloud.services[API].traffic == [Target(CANDIDATE, 100)]


def newest_enabled_versions(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    cloud.secrets["ingest-api-token"] = ["DESTROYED", "ENABLED", "DISABLED"]
    release(cloud, push, folder)
    for name in (API, WORKER):
        spec = yaml.safe_load(cloud.services[name].live.template)["spec"]
        keys = {e["valueFrom"]["secretKeyRef"]["key"] for e in spec["containers"][0]["env"] if "valueFrom" in e}
        assert keys == {"2", "3"}
        assert spec["volumes"][0]["secret"]["items"] == [{"key": "3", "path": "ca.pem"}]


def failed_ping(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    cloud.refused = {"gcloud run jobs execute kaboom-smoke"}
    jobs = release(cloud, push, folder)
    assert jobs["deploy"].result == "failure"
    assert live(cloud, API, WORKER) == {API: OLDER, WORKER: OLDER}
    assert cloud.services[WORKER].traffic == [Target(f"{WORKER}-00007-abc", 100)]
    assert outcomes(jobs["deploy"], "Promote the candidate", "Bring the API back", "Bring the worker back") == [
        "skipped", "success", "success"
    ]  # fmt: skip


def unhealthy_candidate(push: Push, folder: Path) -> None:
    faults: dict[str, dict[str, int | str]] = {
        "not ready": {f"readyz candidate---{API}": 503},
        "another release": {f"release candidate---{API}": OLDER},
        "open": {f"post candidate---{API}": 202},
    }
    for name, api_faults in faults.items():
        cloud = make_cloud()
        before = replace(cloud.services[WORKER])
        jobs = release(cloud, replace(push, api_faults=api_faults), folder / name.replace(" ", "-"))
        assert jobs["deploy"].outcomes["Ask the candidate"] == "failure", name
        assert cloud.services[WORKER] == before, name
        assert cloud.services[API].traffic == [Target(f"{API}-00007-abc", 100)], name
        assert not [entry for entry in cloud.journal if WORKER in entry], name


def candidate_without_traffic(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    cloud.refused = {f"gcloud run services update-traffic {API}", "gcloud run jobs execute kaboom-smoke"}
    release(cloud, push, folder)
    assert cloud.services[API].traffic == [Target(f"{API}-00007-abc", 100), Target(CANDIDATE, 0, "candidate")]


def candidate_does_not_come_up(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    cloud.broken = {API}
    jobs = release(cloud, push, folder)
    assert jobs["deploy"].outcomes["Deploy the API as a candidate, without traffic"] == "failure"
    assert live(cloud, API, WORKER) == {API: OLDER, WORKER: OLDER}
    assert not [entry for entry in cloud.journal if WORKER in entry]


def worker_does_not_come_up(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    cloud.broken = {WORKER}
    assert release(cloud, push, folder)["deploy"].outcomes["Bring the worker back"] == "success"
    assert live(cloud, API, WORKER) == {API: OLDER, WORKER: OLDER}


def missing_secret(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    del cloud.secrets["database-url"]
    cloud.secrets["redis-ca"] = ["DISABLED", "DESTROYED"]
    before = state(cloud)
    jobs = release(cloud, push, folder)
    assert jobs["deploy"].result == "failure"
    assert state(cloud) == before
    assert cloud.journal == []
    for secret in ("database-url", "redis-ca"):
        assert f"::error::The secret {secret} has no enabled version" in jobs["deploy"].log


def missing_variable(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    jobs = release(cloud, replace(push, variables={"PROVIDER": ""}), folder)
    assert jobs["deploy"].outcomes["Render the manifests, and let Google check both services"] == "failure"
    assert "PROVIDER is empty" in jobs["deploy"].log
    assert cloud.journal == []


def unsigned_image(push: Push, folder: Path) -> None:
    for kind in ("sign", "attest"):
        cloud = make_cloud()
        # An image that did not come from this workflow: nobody signed it, and the build that would have is cheated.
        text = push.text.replace(f"cosign {kind} --yes", "true cosign --yes")
        jobs = release(cloud, replace(push, text=text), folder / kind)
        assert jobs["deploy"].outcomes["Verify that this workflow built and signed both images"] == "failure"
        assert cloud.journal == []


def refused_manifest(push: Push, folder: Path) -> None:
    for service in ("api-service", "worker"):
        cloud = make_cloud()
        cloud.refused = {f"gcloud run services replace {folder}/{service}/deploy/{service}.yaml"}
        jobs = release(cloud, push, folder / service)
        assert jobs["deploy"].result == "failure"
        assert cloud.journal == []


def split_traffic(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    service = cloud.services[WORKER]
    service.traffic = [Target(service.revisions[0].name, 50), Target(service.revisions[0].name, 50)]
    jobs = release(cloud, push, folder)
    assert f"{WORKER} has no revision that serves all of its traffic" in jobs["deploy"].log
    assert cloud.journal == []


def failed_migration(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    before = state(cloud)[0]
    cloud.refused = {"gcloud run jobs execute kaboom-migrate"}
    jobs = release(cloud, push, folder)
    assert jobs["deploy"].outcomes["Migrate the database"] == "failure"
    assert state(cloud)[0] == before
    assert cloud.journal == []


def failed_promotion(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    cloud.refused = {f"gcloud run services update-traffic {API} --to-revisions={CANDIDATE}"}
    jobs = release(cloud, push, folder)
    assert jobs["deploy"].outcomes["Promote the candidate"] == "failure"
    assert live(cloud, API, WORKER) == {API: OLDER, WORKER: OLDER}


def promoted_and_wrong(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    jobs = release(cloud, replace(push, api_faults={f"release {API}": OLDER}), folder)
    assert jobs["deploy"].outcomes["Ask the service itself"] == "failure"
    assert live(cloud, API, WORKER) == {API: OLDER, WORKER: OLDER}


def half_of_the_way_back_fails(push: Push, folder: Path) -> None:
    for stuck, other, older in ((API, WORKER, f"{API}-00007"), (WORKER, API, f"{WORKER}-00007")):
        cloud = make_cloud()
        cloud.refused = {f"gcloud run services update-traffic {stuck} --to-revisions={older}"}
        jobs = release(cloud, replace(push, api_faults={f"post {API}": 200}), folder / stuck)
        assert jobs["deploy"].result == "failure"
        assert live(cloud, stuck, other) == {stuck: RELEASE, other: OLDER}


def cancelled(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    jobs = release(cloud, replace(push, cancel_in="Ask the service itself"), folder)
    assert jobs["deploy"].result == "cancelled"
    assert live(cloud, API, WORKER) == {API: OLDER, WORKER: OLDER}


def staging(push: Push, folder: Path) -> None:
    for branch in ("staging", "release/2026.12"):
        cloud = make_cloud()
        # Production's secrets are not looked at.
        cloud.secrets = {name: states for name, states in cloud.secrets.items() if name.startswith("staging-")}
        jobs = release(cloud, replace(push, branch=branch), folder / branch.replace("/", "-"))
        assert jobs["deploy"].result == "success", jobs["deploy"].log
        assert jobs["target"].outputs["environment"] == "staging"
        assert live(cloud, API, WORKER) == {API: OLDER, WORKER: OLDER}
        assert set(live(cloud, f"{API}-staging", f"{WORKER}-staging").values()) == {RELEASE}
        assert set(cloud.jobs) == {f"kaboom-{job}-staging" for job in ("migrate", "smoke", "nightly", "admin")}
        account = yaml.safe_load(cloud.services[f"{API}-staging"].live.template)["spec"]["serviceAccountName"]
        assert account == "kaboom-api-staging@kaboom-test.iam.gserviceaccount.com"
        # Its variable says jquants.
        assert environment(cloud, f"{WORKER}-staging")["KABOOM_PROVIDER"] == "synthetic"
        assert "from the provider `synthetic`" in jobs["deploy"].summary


def after_a_way_back(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    cloud.refused = {"gcloud run jobs execute kaboom-smoke"}
    release(cloud, push, folder / "first")
    cloud.refused = set()
    newer = "beef" * 10
    stage(cloud, newer)
    jobs = release(cloud, replace(push, sha=newer), folder / "second")
    assert jobs["deploy"].result == "success"
    assert live(cloud, API, WORKER) == {API: newer, WORKER: newer}


def the_same_again(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    release(cloud, push, folder / "first")
    jobs = release(cloud, push, folder / "second")
    assert jobs["deploy"].result == "success"
    assert len(cloud.services[API].revisions) == 2


def pinged_by_an_old_worker(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    # Where the worker is not replaced after all, the old one answers.
    text = push.text.replace("run: infra/deploy/worker.sh replace", "run: true infra/deploy/worker.sh replace")
    jobs = release(cloud, replace(push, text=text), folder)
    assert jobs["deploy"].outcomes["Ping the worker from inside the VPC"] == "failure"
    assert live(cloud, API, WORKER) == {API: OLDER, WORKER: OLDER}


def newer_secrets(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    release(cloud, push, folder / "push")
    images = dict(cloud.images)
    cloud.secrets["database-url"].append("ENABLED")
    # The branch has moved on, to a commit that nobody released.
    jobs = release(cloud, replace(push, sha="beef" * 10, event="workflow_dispatch"), folder / "hand")
    assert {name: job.result for name, job in jobs.items()} == {
        "gate": "skipped", "target": "success", "build": "skipped", "live": "success", "deploy": "success",
        "staged": "skipped",
    }  # fmt: skip
    assert cloud.images == images
    assert cloud.manifests == RELEASE
    assert live(cloud, API, WORKER) == {API: RELEASE, WORKER: RELEASE}
    for name in (API, WORKER):
        assert len(cloud.services[name].revisions) == 3
        assert cloud.services[name].live.image == cloud.services[name].revisions[1].image
        spec = yaml.safe_load(cloud.services[name].live.template)["spec"]
        (key,) = (e["valueFrom"] for e in spec["containers"][0]["env"] if e["name"] == "DATABASE_URL")
        assert key["secretKeyRef"]["key"] == "4"


def newer_secrets_of_two_releases(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    cloud.services[WORKER].revisions[0] = replace(cloud.services[WORKER].revisions[0], release="beef" * 10)
    jobs = release(cloud, replace(push, event="workflow_dispatch"), folder)
    assert [jobs["live"].result, jobs["deploy"].result] == ["failure", "skipped"]
    assert "release or roll back one of them first" in jobs["live"].log
    assert cloud.journal == []


def a_pool(push: Push, folder: Path) -> None:
    variables = {"WORKER_KIND": "pool", "NETWORK": "default", "SUBNETWORK": "kaboom-run"}
    cloud = make_cloud()
    cloud.services[WORKER].kind = "WorkerPool"
    jobs = release(cloud, replace(push, variables=variables), folder / "first")
    assert jobs["deploy"].result == "success", jobs["deploy"].log
    assert live(cloud, API, WORKER) == {API: RELEASE, WORKER: RELEASE}
    assert "worker-pools update-instance-split" in jobs["deploy"].summary
    again = replace(push, variables=variables, sha="beef" * 10)
    stage(cloud, again.sha)
    cloud.refused = {"gcloud run jobs execute kaboom-smoke"}
    release(cloud, again, folder / "second")
    assert live(cloud, API, WORKER) == {API: RELEASE, WORKER: RELEASE}
    cloud.refused = set()
    jobs = release(cloud, replace(again, event="workflow_dispatch"), folder / "third")
    assert jobs["deploy"].result == "success", jobs["live"].log
    assert live(cloud, API, WORKER) == {API: RELEASE, WORKER: RELEASE}


SCENARIOS = (
    release_goes_out,
    newest_enabled_versions,
    failed_ping,
    unhealthy_candidate,
    candidate_without_traffic,
    candidate_does_not_come_up,
    worker_does_not_come_up,
    missing_secret,
    missing_variable,
    unsigned_image,
    refused_manifest,
    split_traffic,
    failed_migration,
    failed_promotion,
    promoted_and_wrong,
    half_of_the_way_back_fails,
    pinged_by_an_old_worker,
    cancelled,
    staging,
    after_a_way_back,
    the_same_again,
    a_pool,
    newer_secrets,
    newer_secrets_of_two_releases,
)
Scenario = Callable[[Push, Path], None]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenario(scenario: Scenario, tmp_path: Path) -> None:
    scenario(PUSH, tmp_path)


BACK = "if: (failure() || cancelled()) && steps"
FAULTS: Mapping[str, tuple[Callable[[str], str], Scenario]] = {
    "worker before candidate is asked": (
        lambda text: swapped(text, "Ask the candidate", "Replace the worker"),
        unhealthy_candidate,
    ),
    "migration after the candidate": (
        lambda text: swapped(text, "Migrate the database", "Deploy the API as a candidate, without traffic"),
        release_goes_out,
    ),
    "promotion before the ping": (
        lambda text: swapped(text, "Ping the worker from inside the VPC", "Promote the candidate"),
        failed_ping,
    ),
    "secrets after the migration": (
        lambda text: swapped(text, "Find the newest enabled version of each secret", "Migrate the database"),
        missing_secret,
    ),
    "a candidate with traffic": (
        changed('> "$RUNNER_TEMP/$manifest.yaml"', """| sed '/^  traffic:/,$d' > "$RUNNER_TEMP/$manifest.yaml\""""),
        candidate_without_traffic,
    ),
    "nobody checks before": (changed(" --dry-run", " --dry-run || true"), refused_manifest),
    "no way back for the API": (changed(f"{BACK}.candidate", "if: success() && steps.candidate"), promoted_and_wrong),
    "no way back for the worker": (changed(f"{BACK}.worker", "if: success() && steps.worker"), failed_ping),
    "no way back for who cancels": (changed("(failure() || cancelled())", "failure()"), cancelled),
    "a way back without a condition": (
        changed(f"{BACK}.worker.outcome != 'skipped'", "if: failure()"),
        failed_migration,
    ),
    "a way back to the candidate": (
        changed(
            "          REVISION: ${{ steps.live.outputs.api }}",
            "          REVISION: ${{ steps.candidate.outputs.revision }}",
        ),
        promoted_and_wrong,
    ),
    "the services' live revisions mixed up": (
        changed("steps.live.outputs.worker", "steps.live.outputs.api"),
        failed_ping,
    ),
    "an output's name misspelt": (changed("steps.live.outputs.worker", "steps.live.outputs.workers"), failed_ping),
    "promotion of whatever is newest": (
        changed('--to-revisions="$REVISION=100"\n      - name: Ask', "--to-latest\n      - name: Ask"),
        failed_promotion,
    ),
    "nobody waits for the ping": (changed('"$SMOKE_JOB" --wait', '"$SMOKE_JOB"'), pinged_by_an_old_worker),
    "a flag that gcloud does not have": (changed("--remove-tags=", "--delete-tags="), release_goes_out),
    "the deployer builds": (
        changed("service_account: kaboom-builder", "service_account: kaboom-deployer"),
        release_goes_out,
    ),
    "no token for the builder": (
        changed("id-token: write # for Google's registry", "id-token: none # for Google's registry"),
        release_goes_out,
    ),
    "staging asks a real provider": (changed("needs.target.outputs.provider || ", ""), staging),
    "nobody says where bars come from": (changed("Bars come from the provider", "Hello"), staging),
    "staging with production's secrets": (changed("prefix=staging-", "prefix=''"), staging),
    "one service for both environments": (
        changed("API_SERVICE: kaboom-api${{ needs.target.outputs.suffix }}", "API_SERVICE: kaboom-api"),
        staging,
    ),
    "signatures of anybody": (changed("cosign verify ", "true "), unsigned_image),
    "a build where none is wanted": (
        changed("    if: ${{ github.event_name == 'push' && !failure()", "    if: ${{ !failure()"),
        newer_secrets,
    ),
    "nothing where no build is": (changed("    if: ${{ !failure() && !cancelled() }}\n", ""), newer_secrets),
    "the branch's commit instead of the live one": (
        changed("RELEASE: ${{ needs.live.outputs.release || github.sha }}", "RELEASE: ${{ github.sha }}"),
        newer_secrets,
    ),
    "the branch's manifests instead of the live ones": (
        changed("ref: ${{ needs.live.outputs.release || github.sha }}", "ref: ${{ github.sha }}"),
        newer_secrets,
    ),
    "the worker gets the API's image": (
        changed("needs.live.outputs.worker-image ||", "needs.live.outputs.api-image ||"),
        newer_secrets,
    ),
    "a pool goes back as a service does": (
        changed("run: infra/deploy/worker.sh back", 'run: gcloud run services update-traffic "$WORKER_SERVICE" #'),
        a_pool,
    ),
    "a service's manifest for a pool": (
        changed("worker=$(infra/deploy/worker.sh manifest)", "worker=celery-worker-service"),
        a_pool,
    ),
    "nobody asks the service itself": (
        changed('run: infra/deploy/smoke.sh "$SERVICE_URL"', 'run: true "$SERVICE_URL"'),
        promoted_and_wrong,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_workflow_shows(fault: str, tmp_path: Path) -> None:
    change, scenario = FAULTS[fault]
    push = replace(PUSH, text=change(DEPLOY))
    with pytest.raises((AssertionError, UnknownError, CloudError)):
        scenario(push, tmp_path)
