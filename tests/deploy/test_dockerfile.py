"""The Dockerfile by hadolint and by the house's rules; each rule is shown a fault of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.repo.dockerfiles import allowed_sources, find_faults, parse
from tests.fixtures.repo.repository import ROOT, load_text

DOCKERFILE = load_text("api/Dockerfile")
_HADOLINT = Path(sys.executable).with_name("hadolint")


def hadolint(text: str) -> list[str]:
    """Return the codes of what hadolint finds."""
    argv = [str(_HADOLINT), "--format", "json", "-"]
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in {0, 1}, done.stderr
    return [finding["code"] for finding in json.loads(done.stdout)]


def test_hadolint_finds_nothing() -> None:
    assert hadolint(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("planted", "code"),
    [
        ("FROM python:latest", "DL3007"),
        ("FROM python", "DL3006"),
        ("RUN apt-get update && apt-get install -y curl", "DL3008"),
        ("RUN pip install requests", "DL3013"),
        ("RUN pip install --require-hashes -r requirements.lock", "DL3042"),
        ("ADD pyproject.toml /opt/", "DL3020"),
        ("CMD kaboom serve", "DL3025"),
        ("USER root", "DL3002"),
        ("RUN cd /opt && ls", "DL3003"),
        ("RUN cp $FROM /opt", "SC2086"),
    ],
)
def test_hadolint_sees_a_planted_fault(planted: str, code: str) -> None:
    assert code in hadolint(f"{DOCKERFILE}\n{planted}\n")


def test_the_rules_of_the_house_are_kept() -> None:
    assert find_faults(DOCKERFILE) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("@sha256:bf44", "@sha256:", "by its digest"),
        ("FROM python:3.13", "FROM python:3.12", "by its digest"),
        ("ARG BASE_IMAGE=official", "ARG BASE_IMAGE=python:3.13-slim-trixie", "unless somebody says so"),
        ("FROM ${BASE_IMAGE}\n", "FROM python:3.13-slim-trixie\n", "neither the base nor a stage"),
        ("|*@sha256:*", "|*", "does not refuse"),
        ("--require-hashes \\\n", "\\\n", "has no hash"),
        ("--only-binary :all: -r requirements.lock", "-r requirements.lock", "has no hash"),
        ("install --no-cache-dir --no-compile --require", "install --no-compile --require", "leaves its cache"),
        ("RUN useradd", "RUN apt-get update && useradd", "what no lock names"),
        ("RUN useradd", "RUN curl -o /x https://example.org && useradd", "what no lock names"),
        ("chmod -R a+rX", "chmod -R a+rwX", "given away"),
        ("chmod -R a+rX", "chmod -R 777", "given away"),
        ("COPY --from=product", "COPY --chown=10001 --from=product", "given away"),
        ("COPY src/kaboom src/kaboom", "COPY src src", ".dockerignore does not name it"),
        ("COPY src/kaboom src/kaboom", "COPY . .", ".dockerignore does not name it"),
        ("COPY requirements.lock", "ADD requirements.lock", "ADD unpacks"),
        ("ARG RELEASE", "ARG INGEST_API_TOKEN\nARG RELEASE", "names a TOKEN"),
        ("USER 10001:10001", "USER kaboom", "the last USER"),
        ("USER 10001:10001\n", "", "the last USER"),
        ("USER 10001:10001", "USER 10001:10001\nRUN mkdir /tmp/x", "after USER"),
        ("COPY --from=product /opt/kaboom /opt/kaboom", "COPY src/kaboom /opt/kaboom/kaboom", "copies sources"),
        ("KABOOM_DATA_DIR=/tmp/kaboom", "KABOOM_DATA_DIR=/var/kaboom", "KABOOM_DATA_DIR=/tmp/ is missing"),
        ("KABOOM_SIDE_HOST=0.0.0.0", "KABOOM_SIDE_HOST=127.0.0.1", "KABOOM_SIDE_HOST=0.0.0.0 is missing"),
        ('revision="${RELEASE}"', 'revision="1"', "image.revision"),
        ("'/healthz'", "'/'", "HEALTHCHECK"),
        ('CMD ["kaboom", "serve"', 'CMD ["sh", "-c", "kaboom", "serve"', "exec form"),
        ('CMD ["kaboom", "serve", "--host", "0.0.0.0"]', "CMD kaboom serve", "exec form"),
        ("ARG RELEASE", 'SHELL ["/bin/bash", "-c"]\nARG RELEASE', "SHELL is not used"),
    ],
)
def test_a_planted_fault_is_found(old: str, new: str, fault: str) -> None:
    assert DOCKERFILE.count(old) >= 1
    found = find_faults(DOCKERFILE.replace(old, new))
    assert any(fault in sentence for sentence in found), found


def test_the_build_gets_what_it_copies_and_nothing_else() -> None:
    copied = {
        source
        for step in parse(DOCKERFILE)
        if step.word == "COPY" and "--from=" not in step.rest
        for source in step.rest.split()[:-1]
    }
    assert copied == allowed_sources()
    assert [name for name in copied if not (ROOT / name).exists()] == []
    lines = load_text(".dockerignore").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    # What follows an exception takes from it; anything else would only add.
    assert all(rule.startswith(("!", "**/")) for rule in rules[1:])


@pytest.mark.parametrize(
    ("base", "code"),
    [
        ("python:3.13-slim-trixie", 1),
        ("python:latest", 1),
        ("", 1),
        ("python@sha512:00", 1),
        ("localhost/x@sha256:00", 0),
        ("official", 0),
        ("official:latest", 1),
    ],
)
def test_a_base_is_taken_by_digest_alone(base: str, code: int) -> None:
    (refusal,) = [step.rest for step in parse(DOCKERFILE) if step.word == "RUN" and "*@sha256:*" in step.rest]
    done = subprocess.run(["sh", "-c", refusal], env={"BASE_IMAGE": base}, capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("expected a digest" in done.stderr) == bool(code)
