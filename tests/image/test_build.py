"""What the build refuses, and what the image says of itself; no container here has a network."""

from typing import Any

import pytest

from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.repo.containers import ABSENT, Podman, find_missing
from tests.fixtures.repo.repository import ROOT
from tests.fixtures.servers.stacks import until

_ALONE = (
    "--network=none", "--env=DISABLE_CELERY=true", "--env=DISABLE_REDIS=true", f"--env=INGEST_API_TOKEN={TOKEN}",
)  # fmt: skip


@pytest.fixture(scope="module")
def config(podman: Podman, image: str) -> dict[str, Any]:
    found = podman.inspect(image)["Config"]
    assert isinstance(found, dict)
    return found


def test_a_base_without_a_digest_is_refused(podman: Podman, base: str) -> None:
    name = base.split("@", maxsplit=1)[0]
    done = podman.build(ROOT, ROOT / "api/Dockerfile", tag="localhost/refused", BASE_IMAGE=f"{name}:latest")
    assert done.code != 0
    assert f"BASE_IMAGE was {name}:latest, expected a digest" in done.out + done.err


def test_the_image_says_what_it_is_made_of(config: dict[str, Any], release: str) -> None:
    labels = {name.removeprefix("org.opencontainers.image."): text for name, text in config["Labels"].items()}
    assert (labels["revision"], labels["title"]) == (release, "Kaboom")


def test_the_image_runs_the_api_as_nobody_in_particular(config: dict[str, Any]) -> None:
    assert config["User"] == "10001:10001"
    assert config["Cmd"] == ["kaboom", "serve", "--host", "0.0.0.0"]
    assert not config.get("Entrypoint")
    assert {"PORT=8080", "KABOOM_DATA_DIR=/tmp/kaboom"} <= set(config["Env"])


def test_the_default_command_serves_and_its_health_check_tells_so(podman: Podman, image: str) -> None:
    container = podman.start(image, "default", options=_ALONE)
    check = ("healthcheck", "run", container.name)
    until(lambda: podman.run(*check).code, lambda code: code == 0, within_s=90, every_s=0.5)
    container.signal("STOP")
    assert podman.run(*check).code != 0
    container.signal("CONT")
    container.signal("TERM")
    assert container.wait() == 0, container.log()


def test_the_health_check_sees_that_nothing_listens(podman: Podman, image: str) -> None:
    idle = podman.start(image, "idle", "python", "-c", "import signal; signal.pause()", options=_ALONE)
    assert podman.run("healthcheck", "run", idle.name).code != 0


def test_what_the_lane_lacks_is_named() -> None:
    missing = find_missing(path="/nowhere")
    assert {"podman", "mmdebstrap", "docker-compose"} <= set(missing)
    assert {"crun", "runc"} & set(missing)
    assert "apt-get install" in ABSENT.format(missing=", ".join(missing))
