"""What the fakes remember of Google's cloud and of the registry, and the rules by which it changes."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

Manifest = dict[str, Any]
REGION, PROJECT = "asia-northeast1", "kaboom-test"
REGISTRY = f"{REGION}-docker.pkg.dev/{PROJECT}"


class CloudError(Exception):
    """What Google would answer no to."""


@dataclass(frozen=True)
class Revision:
    """A revision of a service, as its manifest describes it."""

    name: str
    template: str
    image: str
    release: str
    ready: bool


@dataclass(frozen=True)
class Target:
    """A line of a service's traffic, resolved."""

    revision: str
    percent: int
    tag: str = ""


@dataclass
class Service:
    """A service: its revisions, oldest first, and its traffic."""

    name: str
    revisions: list[Revision]
    traffic: list[Target]
    kind: str = "Service"

    def revision(self, name: str) -> Revision:
        """Return the revision of that name."""
        for revision in self.revisions:
            if revision.name == name:
                return revision
        raise CloudError(f"revision {name} of {self.name} does not exist")

    @property
    def latest_ready(self) -> str:
        """The newest revision that came up."""
        return next(r.name for r in reversed(self.revisions) if r.ready)

    @property
    def live(self) -> Revision:
        """The revision that has all of the traffic."""
        return self.revision(next(t.revision for t in self.traffic if t.percent == 100))


@dataclass
class Cloud:
    """Everything, and the faults that a test has planted."""

    services: dict[str, Service] = field(default_factory=dict)
    jobs: dict[str, Manifest] = field(default_factory=dict)
    #: The states of a secret's versions, the first one's first.
    secrets: dict[str, list[str]] = field(default_factory=dict)
    #: Tags, by what they are a tag of: a digest.
    images: dict[str, str] = field(default_factory=dict)
    #: What is signed, by whom: (kind, image by digest, identity, commit).
    signatures: set[tuple[str, str, str, str]] = field(default_factory=set)
    #: Critical vulnerabilities of every image whose name has `vulnerable` in it, and whether each has a fix.
    critical: dict[str, bool] = field(default_factory=dict)
    vulnerable: str = ""
    #: The release whose migrations have run.
    schema: str = ""
    #: Who is logged in, and whether Docker may push.
    account: str = ""
    docker_ready: bool = False
    #: The commit that was checked out last, where one was asked for.
    manifests: str = ""
    #: Commands, as far as they begin so, that are answered with no; services whose next revision does not come up.
    refused: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    #: Whether a registry keeps an image otherwise than it was pushed, so that one build has two digests.
    recompresses: bool = False
    #: What was changed, in order.
    journal: list[str] = field(default_factory=list)

    def refuse(self, line: str) -> None:
        """Answer no to a command line that the test wants refused."""
        if any(line.startswith(refused) for refused in self.refused):
            raise CloudError("refused, as the test wants it")

    def replace_service(self, service: Service, manifest: Manifest) -> None:
        """Take a manifest: a new revision where its template is new, and the traffic that it asks for."""
        self.check_service(service, manifest)
        self.journal.append(f"replace {service.name}")
        template = json.dumps(manifest["spec"]["template"], sort_keys=True)
        if template != service.revisions[-1].template:
            service.revisions.append(self._revision(service, manifest["spec"]["template"], template))
        if not service.revisions[-1].ready:
            raise CloudError(f"revision {service.revisions[-1].name} is not ready and cannot serve traffic")
        service.traffic = [_target(service, line) for line in _traffic(manifest)]

    def check_service(self, service: Service, manifest: Manifest) -> None:
        """Refuse a manifest whose traffic, image or secrets cannot be."""
        spec = manifest["spec"]["template"]["spec"]
        self.check(spec, spec["containers"])
        for line in _traffic(manifest):
            _target(service, line)
        if sum(line.get("percent", 0) for line in _traffic(manifest)) != 100:
            raise CloudError(f"the traffic of {service.name} does not add up to 100")

    def _revision(self, service: Service, spec: Manifest, template: str) -> Revision:
        containers = spec["spec"]["containers"]
        release = _variable(containers[0], "KABOOM_RELEASE")
        # Code whose migrations have not run does not come up.
        ready = service.name not in self.broken and self.schema == release
        name = f"{service.name}-{len(service.revisions) + 7:05}-abc"
        return Revision(name, template, containers[0]["image"], release, ready)

    def check(self, spec: Manifest, containers: list[Manifest]) -> None:
        """Refuse a container whose image or whose secrets are not there."""
        if containers[0]["image"] not in {*self.images, *self.by_digest()}:
            raise CloudError(f"image {containers[0]['image']} was not found")
        references = [
            entry["valueFrom"]["secretKeyRef"] for c in containers for entry in c.get("env", ()) if "valueFrom" in entry
        ]
        found = [(r["name"], r["key"]) for r in references]
        found += [
            (v["secret"]["secretName"], v["secret"]["items"][0]["key"])
            for v in spec.get("volumes", ())
            if "secret" in v
        ]
        for name, version in found:
            states = self.secrets.get(name, [])
            if not (version.isdigit() and int(version) <= len(states) and states[int(version) - 1] == "ENABLED"):
                raise CloudError(f"version {version} of secret {name} is not there, or not enabled")

    def by_digest(self) -> set[str]:
        """Every image of the registry, by its digest."""
        return {f"{tag.rsplit(':', 1)[0]}@{digest}" for tag, digest in self.images.items()}

    def execute(self, name: str) -> None:
        """Run a job: the migration, or the smoke test, which looks at the worker that has the traffic."""
        if name not in self.jobs:
            raise CloudError(f"job {name} does not exist")
        container = self.jobs[name]["spec"]["template"]["spec"]["template"]["spec"]["containers"][0]
        release = _variable(container, "KABOOM_RELEASE")
        self.journal.append(f"execute {name}")
        if name.startswith("kaboom-migrate"):
            self.schema = release
        else:
            worker = self.services[name.replace("kaboom-smoke", "kaboom-celery-worker")].live
            if worker.release != release:
                raise CloudError(f"execution of {name} failed: the worker was {worker.release}, expected {release}")

    def send_traffic(self, service: Service, shares: dict[str, int]) -> None:
        """Give revisions their shares; the others keep their tags alone."""
        for name in shares:
            if not service.revision(name).ready:
                raise CloudError(f"revision {name} is not ready")
        if sum(shares.values()) != 100:
            raise CloudError(f"the traffic of {service.name} does not add up to 100")
        kept = [Target(t.revision, 0, t.tag) for t in service.traffic if t.tag and t.revision not in shares]
        tags = {t.revision: t.tag for t in service.traffic}
        service.traffic = [*kept, *(Target(name, percent, tags.get(name, "")) for name, percent in shares.items())]
        self.journal.append(f"traffic {service.name} {','.join(f'{n}={p}' for n, p in shares.items())}")

    def remove_tags(self, service: Service, tags: Iterable[str]) -> None:
        """Take tags away, which must be there."""
        if missing := set(tags) - {t.tag for t in service.traffic}:
            raise CloudError(f"{service.name} has no tag {missing}")
        plain = [Target(t.revision, t.percent, "" if t.tag in set(tags) else t.tag) for t in service.traffic]
        service.traffic = [t for t in plain if t.percent or t.tag]
        self.journal.append(f"untag {service.name}")


def _traffic(manifest: Manifest) -> list[Manifest]:
    shares = "instanceSplits" if manifest["kind"] == "WorkerPool" else "traffic"
    return list(manifest["spec"].get(shares, [{"latestRevision": True, "percent": 100}]))


def _target(service: Service, line: Manifest) -> Target:
    latest = line.get("latestRevision", False)
    if latest is ("revisionName" in line):
        raise CloudError(f"{line} must name a revision or be the latest one")
    name = service.latest_ready if latest else service.revision(line["revisionName"]).name
    return Target(name, line.get("percent", 0), line.get("tag", ""))


def _variable(container: Manifest, name: str) -> str:
    return str(next(entry["value"] for entry in container["env"] if entry["name"] == name))
