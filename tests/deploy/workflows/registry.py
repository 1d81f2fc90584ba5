"""What docker, cosign, syft and grype do here: read and change the registry's images and their signatures."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.deploy.workflows.cloud import PROJECT, REGISTRY, Cloud, CloudError
from tests.deploy.workflows.commands import Command, UsageError

ISSUER = "https://token.actions.githubusercontent.com"
#: What production's builder may read beside its own, as infra/bootstrap.sh grants it.
STAGING = f"{REGISTRY}/kaboom-api-staging/kaboom-api-staging"


class RegistryTools:
    """The programs that know images, for one run of a workflow."""

    def __init__(self, cloud: Cloud, identity: str, url: str, commit: str = "") -> None:
        self.cloud, self.identity, self.url, self.commit = cloud, identity, url, commit

    def be(self, who: str | Sequence[str], name: str) -> None:
        """Refuse an account that may not use something of that name; staging's accounts may use staging's alone."""
        staging = "-staging" if name.endswith("-staging") else ""
        allowed = [who] if isinstance(who, str) else who
        if self.cloud.account not in {f"{each}{staging}@{PROJECT}.iam.gserviceaccount.com" for each in allowed}:
            raise CloudError(f"{self.cloud.account or 'nobody'} may not touch {name}")

    def docker_buildx_build(self, command: Command, env: Mapping[str, str]) -> str:
        """Build one image and push it under each tag."""
        arguments = dict(argument.split("=", 1) for argument in command.flags["--build-arg"])
        if command.flag("--file") != "api/Dockerfile" or command.arguments != (".",) or "--push" not in command.flags:
            raise CloudError("expected api/Dockerfile, the root of the repository, and a push")
        if (
            arguments.keys() != {"RELEASE"}
            or len(arguments["RELEASE"]) != 40
            or command.flag("--provenance") != "false"
        ):
            raise CloudError(f"expected a release, a base as the Dockerfile names it, and no index: {arguments}")
        # No two builds are the same, whatever they are of.
        number = len(self.cloud.images)
        for tag in command.flags["--tag"]:
            content = f"{arguments} {number} {tag if self.cloud.recompresses else ''}"
            self._push(tag, "sha256:" + hashlib.sha256(content.encode()).hexdigest())
        return ""

    def docker_buildx_imagetools_create(self, command: Command, env: Mapping[str, str]) -> str:
        """Copy an image to a tag; without --prefer-index=false it becomes an index, of another digest."""
        source, (tag,) = self._image(command.arguments[0]), command.flags["--tag"]
        whole = command.flag("--prefer-index") == "false" and not self.cloud.recompresses
        digest = source.partition("@")[2]
        self._push(tag, digest if whole else "sha256:" + hashlib.sha256(f"{digest}{tag}".encode()).hexdigest())
        return ""

    def docker_buildx_imagetools_inspect(self, command: Command, env: Mapping[str, str]) -> str:
        """Tell the digest of a tag."""
        tag = command.arguments[0]
        self._may_read(tag)
        digest = self.cloud.images.get(tag)
        if not digest or command.flag("--format") != "{{.Manifest.Digest}}":
            raise CloudError(f"{tag} was not found, or not its digest was asked for")
        return f"{digest}\n"

    def syft_scan(self, command: Command, env: Mapping[str, str]) -> str:
        """Write down what is in an image."""
        image = self._image(command.arguments[0].removeprefix("registry:"))
        kind, _, path = command.flag("--output").partition("=")
        Path(path).write_text(json.dumps({"bomFormat": kind, "of": image}), encoding="utf-8")
        return ""

    def grype(self, command: Command, env: Mapping[str, str]) -> str:
        """Refuse a bill of materials in which something critical is, or only what has a fix."""
        kind, _, path = command.arguments[0].partition(":")
        if kind != "sbom" or not Path(path).is_file() or command.flag("--fail-on") != "critical":
            raise UsageError(f"{command.arguments} is not known here")
        is_vulnerable = self.cloud.vulnerable in json.loads(Path(path).read_text(encoding="utf-8"))["of"]
        known = self.cloud.critical if is_vulnerable else {}
        if found := [name for name, has_fix in known.items() if has_fix or "--only-fixed" not in command.flags]:
            raise CloudError(f"discovered vulnerabilities at or above the severity threshold: {found}")
        return "No vulnerabilities found\n"

    def cosign_sign(self, command: Command, env: Mapping[str, str]) -> str:
        """Sign an image as the workflow that runs."""
        return self._sign("signature", command, env)

    def cosign_attest(self, command: Command, env: Mapping[str, str]) -> str:
        """Attest what is in an image."""
        if not Path(command.flag("--predicate")).is_file():
            raise CloudError("no predicate")
        return self._sign(command.flag("--type"), command, env)

    def cosign_verify(self, command: Command, env: Mapping[str, str]) -> str:
        """Refuse an image that was not signed by the identity."""
        return self._verify("signature", command)

    def cosign_verify_attestation(self, command: Command, env: Mapping[str, str]) -> str:
        """Refuse an image without the identity's attestation of that type."""
        return self._verify(command.flag("--type"), command)

    def _sign(self, kind: str, command: Command, env: Mapping[str, str]) -> str:
        image = self._image(command.arguments[0])
        self.be("kaboom-builder", image.partition("@")[0])
        if not env.get("ACTIONS_ID_TOKEN_REQUEST_URL") or "--yes" not in command.flags:
            raise CloudError("no identity to sign with, or nobody to say yes")
        self.cloud.signatures.add((kind, image, self.identity, self.commit))
        return ""

    def _verify(self, kind: str, command: Command) -> str:
        by = command.flag("--certificate-identity-regexp") or f"^{re.escape(command.flag('--certificate-identity'))}$"
        commit = command.flag("--certificate-github-workflow-sha")
        image = self._image(command.arguments[0])
        known = [
            signature
            for signature in self.cloud.signatures
            if signature[:2] == (kind, image) and re.search(by, signature[2]) and commit in {"", signature[3]}
        ]
        if not known or command.flag("--certificate-oidc-issuer") != ISSUER:
            raise CloudError(f"no matching {kind} by {by}")
        return "verified\n"

    def _push(self, tag: str, digest: str) -> None:
        self.be("kaboom-builder", tag.rpartition(":")[0])
        if not self.cloud.docker_ready or not tag.startswith(f"{REGISTRY}/"):
            raise CloudError(f"denied: {tag}")
        self.cloud.images[tag] = digest

    def _may_read(self, image: str) -> None:
        repository = re.split(r"[:@]", image, maxsplit=1)[0]
        # Anybody may read what was published.
        if repository.startswith("ghcr.io/"):
            return
        of_production = self.cloud.account == f"kaboom-builder@{PROJECT}.iam.gserviceaccount.com"
        own = repository.endswith("-staging") is ("-staging@" in self.cloud.account)
        if not self.cloud.docker_ready or not (own or (of_production and repository == STAGING)):
            raise CloudError(f"denied: {self.cloud.account or 'nobody'} may not read {image}")

    def _image(self, image: str) -> str:
        self._may_read(image)
        if image not in self.cloud.by_digest():
            raise CloudError(f"{image} is no image by digest")
        return image
