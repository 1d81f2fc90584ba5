"""What manifests, deploy.yml and the page on operations name is what Terraform makes; a file that is missing fails."""

import re
from typing import Any

import pytest

from tests.deploy.rules.manifests import default_values
from tests.deploy.terraform.environments import WITH_POOL, environment
from tests.deploy.terraform.hcl import keys_of, load_module
from tests.deploy.terraform.manifests import INGRESS, Manifest, load_manifests
from tests.deploy.terraform.policies import email
from tests.deploy.terraform.tree import ENVIRONMENTS, TERRAFORM
from tests.fixtures.repo.repository import ROOT, load_text

WORKFLOW = ".github/workflows/deploy.yml"
KINDS = {"service": "Service", "job": "Job", "worker_pool": "WorkerPool"}
#: A choice, and what only infra/bootstrap.sh knows: no facts of the infrastructure.
_BY_HAND = {"PROVIDER", "STAGING_PROJECT_ID", "PUBLISHED_IMAGE"}


def manifests_of(name: str) -> list[Manifest]:
    """Return the manifests, filled in as the deployment does."""
    prefix, suffix = ("", "") if name == "production" else (f"{name}-", f"-{name}")
    accounts = {f"{a.upper()}_ACCOUNT": email(environment(name), a) for a in ("api", "worker", "scaler")}
    jobs = {f"{job.upper()}_JOB": f"kaboom-{job}{suffix}" for job in ("migrate", "smoke", "nightly", "admin")}
    services = {"API_SERVICE": f"kaboom-api{suffix}", "WORKER_SERVICE": f"kaboom-celery-worker{suffix}"}
    return [m.in_({"SECRET_PREFIX": prefix} | accounts | jobs | services) for m in load_manifests(ROOT / "api")]


def readers_wanted(name: str) -> set[tuple[str, str]]:
    """Return which account reads which secret, by the manifests."""
    return {(secret, f"serviceAccount:{m.account}") for m in manifests_of(name) for secret in m.secrets}


def readers_granted(name: str, variables: str = WITH_POOL) -> set[tuple[str, str]]:
    grants = environment(name, variables).all("google_secret_manager_secret_iam_member")
    return {(r["secret_id"], r["member"]) for r in grants if r["role"] == "roles/secretmanager.secretAccessor"}


def test_the_manifests_are_found() -> None:
    manifests = load_manifests(ROOT / "api")
    assert {manifest.kind for manifest in manifests} == {"Service", "WorkerPool", "Job", "CremaConfig"}
    assert len({secret for manifest in manifests for secret in manifest.secrets}) > 15


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_account_reads_the_secrets_of_its_manifests_and_no_other(name: str) -> None:
    assert readers_granted(name) == readers_wanted(name)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_secret_that_can_be_read_exists(name: str) -> None:
    secrets = {r["secret_id"] for r in environment(name, WITH_POOL).all("google_secret_manager_secret")}
    assert {secret for secret, _ in readers_granted(name)} == secrets


def test_a_manifest_that_asks_for_more_is_found() -> None:
    granted, wanted = readers_granted("production"), readers_wanted("production")
    secret = ("database-url", f"serviceAccount:{email(environment('production'), 'worker')}")
    assert granted - {secret} != wanted


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_what_the_manifests_describe_is_there_and_runs_as_they_say(name: str) -> None:
    kinds = {f"google_cloud_run_v2_{type_}": kind for type_, kind in KINDS.items()}
    expanded = environment(name, WITH_POOL)
    there = {(kinds[r.type], r["name"], _account(r.values), r["ingress"]) for r in expanded.all(*kinds)}
    # Google's image, which Terraform deploys.
    there -= {each for each in there if each[1].startswith("kaboom-scaler")}
    described = {
        (m.kind, m.name, m.account, INGRESS.get(m.ingress or "")) for m in manifests_of(name) if m.kind != "CremaConfig"
    }
    assert there == described


def _account(values: dict[str, dict[str, str]]) -> str:
    template = values["template"]
    return str(template.get("service_account") or template["template"]["service_account"])  # type: ignore[index]


def test_the_page_imports_what_there_is() -> None:
    named = re.findall(r"'(google_[^']+)'", load_text("docs/operations/terraform.md"))
    assert len(named) >= 5
    assert set(named) <= {resource.address for resource in environment("production").resources}


def test_the_scaler_is_given_what_its_configuration_asks_for() -> None:
    crema: Any = load_module(TERRAFORM).declared["local.crema"]
    asked = set(re.findall(r"\$\{(\w+)\}", load_text("api/crema.yaml")))
    assert set(keys_of(crema.children[0].children[2].children[-1])) == asked


def workflow(name: str) -> str:
    """Return deploy.yml with the values of an environment."""
    suffix = "" if name == "production" else f"-{name}"
    values = {
        "needs.target.outputs.suffix": suffix,
        "needs.target.outputs.environment": name,
        "vars.REGION": "asia-northeast1",
        "vars.PROJECT_ID": "kaboom-472705",
    }
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda found: values.get(found[1], found[0]), load_text(WORKFLOW))


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_accounts_exist(name: str) -> None:
    named = set(re.findall(r"([\w-]+)@kaboom-472705\.iam\.gserviceaccount\.com", workflow(name)))
    accounts = {r["account_id"] for r in environment(name).all("google_service_account")}
    assert {re.sub(r"^kaboom-|-staging$", "", each) for each in named} == {"api", "worker", "builder", "deployer"}
    assert named <= accounts


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_images_are_pushed_to_the_repositories(name: str) -> None:
    pushed = set(re.findall(r"asia-northeast1-docker\.pkg\.dev/kaboom-472705/([\w-]+)/", workflow(name)))
    assert pushed == {r["repository_id"] for r in environment(name).all("google_artifact_registry_repository")}


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_services_and_jobs_exist(name: str) -> None:
    named = set(re.findall(r"^ +\w+_(?:SERVICE|JOB): (\S+)$", workflow(name), re.MULTILINE))
    assert named == {r["name"] for r in environment(name).all("google_cloud_run_v2_service", "google_cloud_run_v2_job")}


def test_the_variables_are_those_that_terraform_tells() -> None:
    read = set(re.findall(r"\bvars\.(\w+)", load_text(WORKFLOW)))
    assert read - _BY_HAND - set(default_values()) == set(environment("production").outputs["github_variables"])


def test_the_federation_takes_the_branches_that_the_workflow_runs_on() -> None:
    (triggers,) = re.findall(r"branches: \[(.*)\]", load_text(WORKFLOW))
    branches = {f"refs/heads/{each.strip(' ' + chr(34)).removesuffix('*')}" for each in triggers.split(",")}
    taken = {
        ref
        for name in ENVIRONMENTS
        for provider in environment(name).all("google_iam_workload_identity_pool_provider")
        for ref in re.findall(r"'(refs/[^']+)'", provider["attribute_condition"])
    }
    assert branches == taken
