"""audit.yml's scan, run each week: the digests live in each environment, and that a fault in the file shows."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.deploy.workflows.cloud import PROJECT, REGION, REGISTRY, Cloud, CloudError, Revision, Target
from tests.deploy.workflows.expressions import UnknownError
from tests.deploy.workflows.releases import OLDER, RELEASE, act_in, changed, make_cloud
from tests.deploy.workflows.runner import Job, World, run_workflow
from tests.deploy.workflows.toolbox import on_path, plain_environment
from tests.deploy.workflows.tools import Tools
from tests.fixtures.repo.repository import ROOT, load_text

AUDIT = load_text(".github/workflows/audit.yml")
SCAN = "Look for critical vulnerabilities that have a fix"
LIVE, NEWEST = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SUFFIXES = {"production": "", "staging": "-staging"}
VALUES = {"project_id": PROJECT, "project_number": "12", "region": REGION}

Scenario = Callable[[str, Path], None]


def running() -> Cloud:
    """Return a cloud where a newer image than the live one waits without traffic, and a critical fault is known."""
    cloud = make_cloud()
    cloud.critical = {"CVE-2026-1": True}
    cloud.vulnerable = "none"
    for name, service in cloud.services.items():
        image = f"{REGISTRY}/{name.replace('celery-', '')}/{name}"
        cloud.images |= {f"{image}:live": LIVE, f"{image}:newest": NEWEST}
        (old,) = service.revisions
        newer = Revision(f"{name}-00008-abc", "{}", f"{image}@{NEWEST}", RELEASE, ready=True)
        service.revisions[:] = [replace(old, image=f"{image}@{LIVE}"), newer]
    return cloud


def audit(
    cloud: Cloud,
    text: str,
    folder: Path,
    environment: str = "production",
    made: tuple[str, ...] = ("production", "staging"),
    **values: str,
) -> dict[str, Job]:
    """Run the scan of one environment of those that were made, whose committed values are these."""
    folder.mkdir(parents=True)
    checkout = folder / "checkout"
    (checkout / "infra/terraform").mkdir(parents=True)
    shutil.copytree(ROOT / "infra/deploy", checkout / "infra/deploy")
    for name in SUFFIXES:
        shutil.copy(ROOT / f"infra/terraform/{name}.tfvars", checkout / "infra/terraform")
    for name in made:
        lines = [f'{key} = "{value}"' for key, value in VALUES.items()] + [f"{k} = {v}" for k, v in values.items()]
        (checkout / f"infra/terraform/{name}.project.tfvars").write_text("\n".join(lines) + "\n", encoding="utf-8")
    workflow = yaml.load(text, Loader=yaml.BaseLoader)
    # What pip-audit and zizmor look for is theirs to find.
    workflow["jobs"] = {name: workflow["jobs"][name] for name in ("environments", "images")}
    providers: set[str] = set()

    def act(uses: str, inputs: dict[str, str], permissions: Mapping[str, str]) -> None:
        if "workload_identity_provider" in inputs:
            providers.add(inputs["workload_identity_provider"])
        if uses.startswith("anchore/scan-action/download-grype@"):
            assert inputs == {"grype-version": "v0.118.0"}
        act_in(cloud, uses.partition("@")[0], inputs, permissions)

    with on_path(Tools(cloud, "me", ""), folder / "bin") as programs:
        world = World(
            {"event_name": "schedule", "ref_name": "main"}, {}, plain_environment(programs), checkout, folder, act, {},
            matrix={"environment": environment},
        )  # fmt: skip
        jobs = run_workflow(yaml.safe_dump(workflow, sort_keys=False), world)
    pool = f"projects/12/locations/global/workloadIdentityPools/kaboom-github{SUFFIXES[environment]}"
    assert providers <= {f"{pool}/providers/audit"}
    assert cloud.journal == []
    return jobs


def nothing_is_found(text: str, folder: Path) -> None:
    for environment in SUFFIXES:
        jobs = audit(running(), text, folder / environment, environment)
        assert jobs["environments"].outputs == {"made": '["production","staging"]'}
        assert jobs["images"].result == "success", jobs["images"].log
        assert jobs["images"].log.count(f"@{LIVE}") == 2


def what_is_live_counts(text: str, folder: Path) -> None:
    for vulnerable, result in ((LIVE, "failure"), (NEWEST, "success")):
        cloud = running()
        cloud.vulnerable = vulnerable
        job = audit(cloud, text, folder / result)["images"]
        assert (job.result, "CVE-2026-1" in job.log) == (result, result == "failure"), job.log
        assert job.outcomes[SCAN] == result


def either_image_counts(text: str, folder: Path) -> None:
    for repository in ("kaboom-api", "kaboom-worker"):
        cloud = running()
        cloud.vulnerable = f"/{repository}/"
        job = audit(cloud, text, folder / repository)["images"]
        assert job.outcomes[SCAN] == "failure"
        # The other one is scanned all the same.
        assert job.log.count(f"@{LIVE}") == 2


def each_environment_is_its_own(text: str, folder: Path) -> None:
    cloud = running()
    cloud.vulnerable = "-staging@"
    results = {name: audit(cloud, text, folder / name, name)["images"].result for name in SUFFIXES}
    assert results == {"production": "success", "staging": "failure"}


def without_a_fix(text: str, folder: Path) -> None:
    cloud = running()
    cloud.critical, cloud.vulnerable = {"CVE-2026-2": False}, ""
    assert audit(cloud, text, folder / "x")["images"].result == "success"


def a_pool(text: str, folder: Path) -> None:
    cloud = running()
    cloud.services["kaboom-celery-worker"].kind = "WorkerPool"
    cloud.vulnerable = "/kaboom-worker/"
    job = audit(cloud, text, folder / "x", worker_pool="true")["images"]
    assert job.outcomes[SCAN] == "failure", job.log


def nothing_is_deployed(text: str, folder: Path) -> None:
    jobs = audit(running(), text, folder / "x", made=())
    assert jobs["environments"].outputs == {"made": "[]"}
    assert jobs["images"].result == "skipped"


def one_environment(text: str, folder: Path) -> None:
    jobs = audit(running(), text, folder / "x", "staging", made=("staging",))
    assert jobs["environments"].outputs == {"made": '["staging"]'}
    assert jobs["images"].result == "success"


def two_releases(text: str, folder: Path) -> None:
    cloud = running()
    worker = cloud.services["kaboom-celery-worker"]
    worker.traffic = [Target(worker.revisions[1].name, 100)]
    job = audit(cloud, text, folder / "x")["images"]
    assert job.result == "failure"
    assert f"the API serves release {OLDER}, the worker {RELEASE}" in job.log


SCENARIOS: tuple[Scenario, ...] = (
    nothing_is_found,
    what_is_live_counts,
    either_image_counts,
    each_environment_is_its_own,
    without_a_fix,
    a_pool,
    nothing_is_deployed,
    one_environment,
    two_releases,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
def test_scenario(scenario: Scenario, tmp_path: Path) -> None:
    scenario(AUDIT, tmp_path)


FAULTS: Mapping[str, tuple[Callable[[str], str], Scenario]] = {
    "nobody scans": (changed("grype ", "true "), what_is_live_counts),
    "nobody heeds the scan": (changed("|| found=1", "|| true"), what_is_live_counts),
    "the first finding ends the scan": (changed(" || found=1", ""), either_image_counts),
    "only the API's image": (changed(' "$WORKER_IMAGE"; do', "; do"), either_image_counts),
    "the worker's image mixed up": (changed("outputs.worker-image", "outputs.api-image"), either_image_counts),
    "what has no fix counts": (changed(" --only-fixed", ""), without_a_fix),
    "a gentler scan": (changed("--fail-on=critical", "--fail-on=high"), nothing_is_found),
    "production is scanned twice": (
        changed("ENVIRONMENT: ${{ matrix.environment }}", "ENVIRONMENT: production"),
        each_environment_is_its_own,
    ),
    "a pool is taken for a service": (changed("steps.at.outputs.worker-kind", "'service'"), a_pool),
    "staging's services are production's": (
        changed("API_SERVICE: kaboom-api${{ steps.at.outputs.suffix }}", "API_SERVICE: kaboom-api"),
        nothing_is_found,
    ),
    "no token for Google": (changed("      id-token: write # for Google\n", ""), nothing_is_found),
    "nobody lets Docker read": (changed("gcloud auth configure-docker", "true"), nothing_is_found),
    "another region": (changed("RUN_REGION: ${{ steps.at.outputs.region }}", "RUN_REGION: us-east1"), nothing_is_found),
    "an environment that is not there": (changed("made != '[]'", "made"), nothing_is_deployed),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_workflow_shows(fault: str, tmp_path: Path) -> None:
    change, scenario = FAULTS[fault]
    with pytest.raises((AssertionError, UnknownError, CloudError)):
        scenario(change(AUDIT), tmp_path)


@pytest.mark.parametrize("lacking", VALUES)
def test_values_that_are_lacking_are_named(lacking: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(VALUES, lacking)
    job = audit(running(), AUDIT, tmp_path / "x")["images"]
    assert job.outcomes["Find the environment"] == "failure"
    assert "::error::production.project.tfvars names no project_id, project_number or region" in job.log
