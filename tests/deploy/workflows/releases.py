"""A release from the push of a branch to its end: deploy.yml, run in a cloud as it was before, with planted faults."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.deploy.rules.manifests import default_values
from tests.deploy.workflows.cloud import PROJECT, REGION, Cloud, CloudError, Revision, Service, Target
from tests.deploy.workflows.registry import STAGING
from tests.deploy.workflows.runner import Job, World, run_workflow
from tests.deploy.workflows.toolbox import on_path, plain_environment, serving_apis
from tests.deploy.workflows.tools import Tools
from tests.fixtures.repo.repository import ROOT, load_text
from tests.fixtures.repo.secret_names import FILES, kept_variables

DEPLOY = load_text(".github/workflows/deploy.yml")
WORKFLOW, STAGED = "me/kaboom/.github/workflows/deploy.yml@refs/heads/", "https://github.com/me/kaboom/staged"
RELEASE, OLDER = "c0ffee" + "1" * 34, "facade" + "0" * 34
SECRETS = (*kept_variables(), *FILES)


@dataclass(frozen=True)
class Push:
    """What is pushed, and what goes wrong: faults of the API, of the gate, and the step in which somebody cancels."""

    branch: str = "main"
    sha: str = RELEASE
    text: str = DEPLOY
    gate: str = "success"
    api_faults: Mapping[str, int | str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    cancel_in: str | None = None
    event: str = "push"


def make_cloud() -> Cloud:
    """Return a cloud where both environments run the release before, and each secret has two enabled versions.

    Staging has run the new release: main may take it.
    """
    cloud = Cloud(schema=OLDER)
    for suffix, prefix in (("", ""), ("-staging", "staging-")):
        for name in (f"kaboom-api{suffix}", f"kaboom-celery-worker{suffix}"):
            live = Revision(f"{name}-00007-abc", "{}", f"x/{name}@sha256:{'7' * 64}", OLDER, ready=True)
            cloud.services[name] = Service(name, [live], [Target(live.name, 100)])
        cloud.secrets |= {f"{prefix}{secret}": ["ENABLED", "DESTROYED", "ENABLED"] for secret in SECRETS}
    stage(cloud, RELEASE)
    return cloud


def stage(cloud: Cloud, commit: str) -> None:
    """Leave in staging's registry what a release of a commit to staging leaves there."""
    digest = "sha256:" + hashlib.sha256(commit.encode()).hexdigest()
    cloud.images[f"{STAGING}:staged-{commit}"] = digest
    for kind in ("signature", "cyclonedx", STAGED):
        cloud.signatures.add((kind, f"{STAGING}@{digest}", f"https://github.com/{WORKFLOW}staging", commit))


def release(cloud: Cloud, push: Push, folder: Path) -> dict[str, Job]:
    """Push, and return what became of each job."""
    github = {
        "event_name": push.event,
        "ref_name": push.branch,
        "sha": push.sha,
        "repository": "me/kaboom",
        "run_attempt": "1",
        "workflow_ref": f"{WORKFLOW}{push.branch}",
    }
    variables = {
        "PROJECT_ID": PROJECT,
        "WIF_PROVIDER": "projects/1/x",
        "NETWORK": "kaboom",
        "SUBNETWORK": "kaboom-run",
        "DATA_BUCKET": "kaboom-files",
        "API_URL": "https://kaboom-api-1.asia-northeast1.run.app",
        "PROVIDER": "jquants",
        "REGION": REGION,
        # GitHub gives nothing for a variable that an environment does not have.
        **dict.fromkeys((*default_values(), "WORKER_KIND", "STAGING_PROJECT_ID"), ""),
        **push.variables,
    }

    def act(uses: str, inputs: dict[str, str], permissions: Mapping[str, str]) -> None:
        act_in(cloud, uses.partition("@")[0], inputs, permissions)

    folder.mkdir(parents=True, exist_ok=True)
    with serving_apis(cloud, dict(push.api_faults)) as url:
        tools = Tools(cloud, f"https://github.com/{github['workflow_ref']}", url, push.sha)
        with on_path(tools, folder / "bin") as programs:
            own = {"PUBLISHED_IMAGE": push.variables.get("PUBLISHED_IMAGE", "")}
            environments = {"": own, "production": variables, "staging": variables}
            called = {"$/.github/workflows/ci.yml": push.gate}
            world = World(github, environments, plain_environment(programs), ROOT, folder, act, called, push.cancel_in)
            return run_workflow(push.text, world)


def live(cloud: Cloud, *names: str) -> dict[str, str]:
    """Return the release that each service gives all of its traffic to."""
    return {name: cloud.services[name].live.release for name in names}


def state(cloud: Cloud) -> tuple[object, ...]:
    """Return what a release may change."""
    return {n: (s.revisions[:], s.traffic[:]) for n, s in cloud.services.items()}, dict(cloud.jobs), cloud.schema


def outcomes(job: Job, *steps: str) -> list[str]:
    """Return the outcomes of steps of a job."""
    return [job.outcomes[step] for step in steps]


def swapped(text: str, first: str, second: str) -> str:
    """Put one step before the other that was before it."""
    steps = text.split("\n      - ")
    a, b = (next(n for n, step in enumerate(steps) if step.startswith(f"name: {name}\n")) for name in (first, second))
    steps[a], steps[b] = steps[b], steps[a]
    return "\n      - ".join(steps)


def changed(old: str, new: str) -> Callable[[str], str]:
    """Return a change that must find what it changes."""

    def change(text: str) -> str:
        assert old in text, old
        return text.replace(old, new)

    return change


def environment(cloud: Cloud, name: str) -> dict[str, str]:
    """Return the variables of a live service, with the version of each secret."""
    container = yaml.safe_load(cloud.services[name].live.template)["spec"]["containers"][0]
    return {e["name"]: e["value"] if "value" in e else e["valueFrom"]["secretKeyRef"]["key"] for e in container["env"]}


def act_in(cloud: Cloud, action: str, inputs: dict[str, str], permissions: Mapping[str, str]) -> None:
    """Do what an action does, if the job may, and it is given what it takes."""
    match action:
        case "actions/checkout" if (
            permissions.get("contents") == "read" and inputs.pop("persist-credentials") == "false" and len(inputs) < 2
        ):
            # A fresh machine.
            cloud.account, cloud.docker_ready = "", False
            cloud.manifests = inputs.get("ref", "")
        case "google-github-actions/auth" if permissions.get("id-token") == "write" and inputs.keys() == {
            "workload_identity_provider", "service_account"
        }:  # fmt: skip
            cloud.account = inputs["service_account"]
        case (
            "google-github-actions/setup-gcloud"
            | "sigstore/cosign-installer"
            | "anchore/sbom-action/download-syft"
            | "anchore/scan-action/download-grype"
        ):
            pass
        case _:
            raise CloudError(f"{action} may not, or is not known here: {inputs}")
