"""What gcloud does here: read a command line, and change or tell what the cloud holds."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.workflows.cloud import PROJECT, REGION, CloudError, Service
from tests.deploy.workflows.commands import Command, UsageError, read
from tests.deploy.workflows.registry import RegistryTools


class Tools(RegistryTools):
    """The programs, for one run of a workflow."""

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> tuple[int, str, str]:
        """Run a program as it would be on PATH: exit code, stdout, stderr; 2 for a command line it does not know."""
        try:
            command = read(argv)
            self.cloud.refuse(" ".join(argv))
            return 0, getattr(self, command.verb.replace(" ", "_").replace("-", "_"))(command, env), ""
        except UsageError as e:
            return 2, "", f"ERROR: ({argv[0]}) {e}\n"
        except (CloudError, OSError) as e:
            return 1, "", f"ERROR: ({argv[0]}) {e}\n"

    def service(self, command: Command, env: Mapping[str, str], name: str) -> Service:
        """Return a service of the project and region that the environment sets."""
        _located(env)
        is_read = command.verb.endswith(" describe")
        self.be(("kaboom-deployer", "kaboom-auditor") if is_read else "kaboom-deployer", name)
        kind = "WorkerPool" if "worker-pools" in command.verb else "Service"
        if name not in self.cloud.services or self.cloud.services[name].kind != kind:
            raise CloudError(f"{command.verb}: {kind} {name} could not be found")
        return self.cloud.services[name]

    def gcloud_auth_configure_docker(self, command: Command, env: Mapping[str, str]) -> str:
        """Let docker and cosign use the account."""
        self.cloud.docker_ready = command.arguments == (f"{REGION}-docker.pkg.dev",)
        return ""

    def gcloud_secrets_versions_list(self, command: Command, env: Mapping[str, str]) -> str:
        """List a secret's versions as the API describes them, newest first."""
        name = command.arguments[0]
        self.be("kaboom-deployer", "-staging" if name.startswith("staging-") else "")
        _project(env)
        if name not in self.cloud.secrets:
            raise CloudError(f"NOT_FOUND: Secret [{name}] not found")
        return _json(command, [
            {"name": f"projects/1/secrets/{name}/versions/{n}", "state": state}
            for n, state in reversed(list(enumerate(self.cloud.secrets[name], 1)))
        ])  # fmt: skip

    def gcloud_run_services_describe(self, command: Command, env: Mapping[str, str]) -> str:
        """Describe a service's state."""
        service = self.service(command, env, command.arguments[0])
        traffic = [
            {"revisionName": t.revision}
            | ({"percent": t.percent} if t.percent else {})
            | ({"tag": t.tag, "url": f"{self.url}/{t.tag}---{service.name}"} if t.tag else {})
            for t in service.traffic
        ]
        status = {
            "url": f"{self.url}/{service.name}",
            "latestReadyRevisionName": service.latest_ready,
            "latestCreatedRevisionName": service.revisions[-1].name,
            "traffic": traffic,
        }
        return _json(command, {"metadata": {"name": service.name}, "status": status})

    def gcloud_run_revisions_describe(self, command: Command, env: Mapping[str, str]) -> str:
        """Describe what a revision runs."""
        name = command.arguments[0].rsplit("-", 2)[0]
        revision = self.service(command, env, name).revision(command.arguments[0])
        container = {
            "name": "worker" if "worker" in name else "api",
            "image": revision.image,
            "env": [{"name": "KABOOM_RELEASE", "value": revision.release}],
        }
        collector = {"name": "collector", "image": "google/collector:1"}
        return _json(command, {"spec": {"containers": [collector, container]}})

    def gcloud_run_services_replace(self, command: Command, env: Mapping[str, str]) -> str:
        """Replace a service by a manifest."""
        manifest = yaml.safe_load(Path(command.arguments[0]).read_text(encoding="utf-8"))
        service = self.service(command, env, manifest["metadata"]["name"])
        if (manifest["kind"], manifest["metadata"]["namespace"]) != (service.kind, PROJECT):
            raise CloudError(f"{command.arguments[0]} is no {service.kind} of {PROJECT}")
        if "--dry-run" in command.flags:
            self.cloud.check_service(service, manifest)
        else:
            self.cloud.replace_service(service, manifest)
        return ""

    def gcloud_run_services_update_traffic(self, command: Command, env: Mapping[str, str]) -> str:
        """Move traffic, or take tags away."""
        service = self.service(command, env, command.arguments[0])
        moves = [name for name in ("--to-revisions", "--to-tags", "--to-latest") if name in command.flags]
        if len(moves) > 1 or not command.flags:
            raise UsageError(f"at most one of {moves}, and something to do")
        if moves:
            self.cloud.send_traffic(service, self._shares(service, command, moves[0]))
        if tags := command.flag("--remove-tags"):
            self.cloud.remove_tags(service, tags.split(","))
        return ""

    def gcloud_run_worker_pools_describe(self, command: Command, env: Mapping[str, str]) -> str:
        """Describe a pool's state."""
        pool = self.service(command, env, command.arguments[0])
        splits = [{"revisionName": t.revision, "percent": t.percent} for t in pool.traffic]
        return _json(command, {"metadata": {"name": pool.name}, "status": {"instanceSplits": splits}})

    def gcloud_run_worker_pools_revisions_describe(self, command: Command, env: Mapping[str, str]) -> str:
        """Describe what a revision of a pool runs."""
        return self.gcloud_run_revisions_describe(command, env)

    def gcloud_run_worker_pools_replace(self, command: Command, env: Mapping[str, str]) -> str:
        """Replace a pool by a manifest."""
        return self.gcloud_run_services_replace(command, env)

    def gcloud_run_worker_pools_update_instance_split(self, command: Command, env: Mapping[str, str]) -> str:
        """Give the instances of a pool to revisions."""
        return self.gcloud_run_services_update_traffic(command, env)

    def _shares(self, service: Service, command: Command, move: str) -> dict[str, int]:
        if move == "--to-latest":
            return {service.latest_ready: 100}
        shares = {name: int(percent) for name, percent in (s.split("=") for s in command.flag(move).split(","))}
        if move == "--to-revisions":
            return shares
        tagged = {target.tag: target.revision for target in service.traffic}
        if missing := shares.keys() - tagged.keys():
            raise CloudError(f"{service.name} has no tag {missing}")
        return {tagged[tag]: percent for tag, percent in shares.items()}

    def gcloud_run_jobs_replace(self, command: Command, env: Mapping[str, str]) -> str:
        """Replace a job by a manifest."""
        _located(env)
        manifest = yaml.safe_load(Path(command.arguments[0]).read_text(encoding="utf-8"))
        name = manifest["metadata"]["name"]
        self.be("kaboom-deployer", name)
        spec = manifest["spec"]["template"]["spec"]["template"]["spec"]
        self.cloud.check(spec, spec["containers"])
        self.cloud.jobs[name] = manifest
        return ""

    def gcloud_run_jobs_execute(self, command: Command, env: Mapping[str, str]) -> str:
        """Run a job; without --wait nobody hears how it ended."""
        _located(env)
        self.be("kaboom-deployer", command.arguments[0])
        try:
            self.cloud.execute(command.arguments[0])
        except CloudError:
            if "--wait" in command.flags:
                raise
        return ""


def _project(env: Mapping[str, str]) -> None:
    if env.get("CLOUDSDK_CORE_PROJECT") != PROJECT:
        raise CloudError("no project is set")


def _located(env: Mapping[str, str]) -> None:
    _project(env)
    if env.get("CLOUDSDK_RUN_REGION") != REGION:
        raise CloudError("no region is set")


def _json(command: Command, value: Any) -> str:
    if command.flag("--format") != "json":
        raise UsageError(f"--format={command.flag('--format')} is not known here")
    return json.dumps(value)
