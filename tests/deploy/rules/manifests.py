"""The manifests of `api/` as text, rendered as a deployment renders them, and as strict YAML."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import yaml

from tests.fixtures.repo.repository import ROOT, load_text

RENDER = ROOT / "infra/deploy/render.sh"
VARIABLES = "infra/deploy/variables"
API, WORKER, POOL = "api-service.yaml", "celery-worker-service.yaml", "celery-worker-pool.yaml"
MIGRATE, SMOKE, NIGHTLY, ADMIN = "migrate-job.yaml", "smoke-job.yaml", "nightly-job.yaml", "admin-job.yaml"
CREMA = "crema.yaml"
#: What Cloud Run is given, and all that is rendered.
RUN = (API, WORKER, POOL, MIGRATE, SMOKE, NIGHTLY, ADMIN)
ALL = (*RUN, CREMA)

_DIGEST = "a1" * 32


class StrictLoader(yaml.SafeLoader):
    """YAML in which a key that stands twice is an error, not the last one's victory."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """Return a mapping whose keys are all different."""
        names = [self.construct_object(key, deep=deep) for key, _ in node.value]
        if doubles := sorted({name for name in names if names.count(name) > 1}):
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: {', '.join(doubles)} stands twice")
        return super().construct_mapping(node, deep)


def parse(text: str) -> dict[str, Any]:
    """Return the one document of a text.

    Raises:
        YAMLError: it is no YAML, or a key stands twice.

    """
    document: dict[str, Any] = yaml.load(text, StrictLoader)
    return document


def listed_variables() -> dict[str, bool]:
    """Return the variables that a manifest may hold, and whether each may be empty."""
    lines = [line for line in load_text(VARIABLES).splitlines() if line and not line.startswith("#")]
    return {line.partition("=")[0].removesuffix("?"): line.endswith("?") or "=" in line for line in lines}


def default_values() -> dict[str, str]:
    """Return the values of the variables that have a default."""
    return dict(line.split("=", 1) for line in load_text(VARIABLES).splitlines() if re.match(r"[A-Z_]+=", line))


def sample_values() -> dict[str, str]:
    """Return values as a deployment to staging has them; each version is another number, so that none stands in."""
    names = listed_variables()
    versions = {name: str(11 + n) for n, name in enumerate(names) if name.startswith("VERSION_")}
    registry = "asia-northeast1-docker.pkg.dev/kaboom-472705"
    return (
        versions
        | default_values()
        | {
            "PROJECT_ID": "kaboom-472705",
            "REGION": "asia-northeast1",
            "RELEASE": "0123456789abcdef0123456789abcdef01234567",
            "API_SERVICE": "kaboom-api-staging",
            "WORKER_SERVICE": "kaboom-celery-worker-staging",
            "MIGRATE_JOB": "kaboom-migrate-staging",
            "SMOKE_JOB": "kaboom-smoke-staging",
            "NIGHTLY_JOB": "kaboom-nightly-staging",
            "ADMIN_JOB": "kaboom-admin-staging",
            "API_URL": "https://kaboom-api-staging-657734233816.asia-northeast1.run.app",
            "API_LIVE_REVISION": "kaboom-api-staging-00007-abc",
            "API_IMAGE": f"{registry}/kaboom-api/kaboom-api@sha256:{_DIGEST}",
            "WORKER_IMAGE": f"{registry}/kaboom-worker/kaboom-worker@sha256:{_DIGEST}",
            "API_ACCOUNT": "kaboom-api-staging@kaboom-472705.iam.gserviceaccount.com",
            "WORKER_ACCOUNT": "kaboom-worker-staging@kaboom-472705.iam.gserviceaccount.com",
            "DATA_BUCKET": "kaboom-472705-kaboom-staging",
            "SECRET_PREFIX": "staging-",
            "PROVIDER": "synthetic",
            "NETWORK": "kaboom-staging",
            "SUBNETWORK": "kaboom-run-staging",
        }
    )


def run_render(path: str, values: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """Run the script that deploy.yml runs, with these values and nothing else of the environment."""
    environment = {"PATH": os.environ["PATH"], **values}
    return subprocess.run([str(RENDER), path], env=environment, capture_output=True, text=True, check=False)


def render_with(name: str, values: Mapping[str, str]) -> str:
    """Return a manifest with its variables replaced by these values."""
    done = run_render(str(ROOT / "api" / name), values)
    assert done.returncode == 0, done.stderr
    return done.stdout


@cache
def render(name: str) -> str:
    """Return a manifest as a deployment to staging renders it."""
    return render_with(name, sample_values())


def planted(name: str, old: str, new: str) -> dict[str, Any]:
    """Return a rendered manifest with one text replaced by another, wherever it stands."""
    text = render(name)
    assert old in text, f"{name} has no {old!r}"
    return parse(text.replace(old, new))


def containers(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the containers of a service, a pool or a job."""
    spec = document["spec"]["template"]["spec"]
    found: list[dict[str, Any]] = spec.get("containers") or spec["template"]["spec"]["containers"]
    return found


def values_of(container: Mapping[str, Any]) -> dict[str, str]:
    """Return a container's variables that are written in the manifest."""
    return {entry["name"]: entry["value"] for entry in container.get("env", []) if "value" in entry}


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every scalar with its path."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from leaves(item, f"{path}.{name}")
    elif isinstance(value, list):
        for n, item in enumerate(value):
            yield from leaves(item, f"{path}[{n}]")
    else:
        yield path, value
