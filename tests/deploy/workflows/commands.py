"""The command lines that the fakes of gcloud, docker, cosign, syft and grype know, and no others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class UsageError(Exception):
    """A verb, a flag or a number of arguments that is not known here."""


@dataclass(frozen=True)
class Command:
    """A command line, read: its verb, its arguments, and its flags with what they were given."""

    verb: str
    arguments: tuple[str, ...]
    flags: Mapping[str, tuple[str, ...]]

    def flag(self, name: str) -> str:
        """Return what the flag was given last; nothing where it is absent."""
        return self.flags.get(name, ("",))[-1]


#: Any number of arguments.
ANY = -1
_CERTIFICATE = (
    "--certificate-identity= --certificate-identity-regexp= --certificate-oidc-issuer= "
    "--certificate-github-workflow-sha="
)
#: Verb → how many arguments it takes, and its flags; a flag that ends in = takes a value.
#: gcloud: https://docs.cloud.google.com/sdk/gcloud/reference/run/services/update-traffic and the pages beside it.
#: docker: https://docs.docker.com/reference/cli/docker/buildx/build/
#: cosign: https://github.com/sigstore/cosign/tree/main/doc
#: grype: https://github.com/anchore/grype
#: A command that is not used is not here, so that a new one is looked up before it is believed.
KNOWN: Mapping[str, tuple[int, str]] = {
    "gcloud auth configure-docker": (1, ""),
    "gcloud secrets versions list": (1, "--format="),
    "gcloud run revisions describe": (1, "--format="),
    "gcloud run services describe": (1, "--format="),
    "gcloud run services replace": (1, "--dry-run"),
    "gcloud run services update-traffic": (1, "--to-revisions= --to-tags= --to-latest --remove-tags="),
    "gcloud run worker-pools revisions describe": (1, "--format="),
    "gcloud run worker-pools describe": (1, "--format="),
    "gcloud run worker-pools replace": (1, "--dry-run"),
    "gcloud run worker-pools update-instance-split": (1, "--to-revisions= --to-latest"),
    "gcloud run jobs replace": (1, ""),
    "gcloud run jobs execute": (1, "--wait"),
    "docker buildx build": (1, "--file= --platform= --provenance= --build-arg= --tag= --push"),
    "docker buildx imagetools create": (1, "--prefer-index= --tag="),
    "docker buildx imagetools inspect": (1, "--format="),
    "cosign sign": (1, "--yes"),
    "cosign attest": (1, "--yes --type= --predicate="),
    "cosign verify": (1, _CERTIFICATE),
    "cosign verify-attestation": (1, f"{_CERTIFICATE} --type="),
    "syft scan": (1, "--output="),
    "grype": (1, "--only-fixed --fail-on="),
}


def read(argv: Sequence[str], known: Mapping[str, tuple[int, str]] = KNOWN) -> Command:
    """Read a command line, the program's name first; raise UsageError where it is not known."""
    verb = next((v for v in known if list(argv[: len(v.split())]) == v.split()), "")
    if not verb:
        raise UsageError(f"invalid choice: {' '.join(argv)}")
    wanted, spelled = known[verb]
    flags: dict[str, tuple[str, ...]] = {}
    arguments: list[str] = []
    rest = list(argv[len(verb.split()) :])
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            arguments.append(word)
            continue
        name, sign, value = word.partition("=")
        takes_value = f"{name}=" in spelled.split()
        if not takes_value and (name not in spelled.split() or sign):
            raise UsageError(f"unrecognized arguments: {word}")
        if takes_value and not sign:
            if not rest:
                raise UsageError(f"{name} expects a value")
            value = rest.pop(0)
        flags[name] = (*flags.get(name, ()), value)
    if len(arguments) != wanted and wanted != ANY:
        raise UsageError(f"{verb} takes {wanted} arguments, got {arguments}")
    return Command(verb, tuple(arguments), flags)
