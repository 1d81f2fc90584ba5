"""A provider's key and limits reach API and worker; without a key the manifests have no such variable."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.deploy.workflows.releases import DEPLOY, Push, changed, environment, make_cloud, release
from tests.fixtures.repo.repository import ROOT

#: Its variable PROVIDER is jquants.
PUSH = Push()
API, WORKER = "kaboom-api", "kaboom-celery-worker"

Scenario = Callable[[Push, Path], None]


def real_data(push: Push, folder: Path) -> None:
    cloud = make_cloud()
    limits = {"JQUANTS_REQUESTS_PER_MINUTE": "500", "JQUANTS_BULK": "true"}
    jobs = release(cloud, replace(push, variables=limits), folder)
    assert jobs["deploy"].result == "success", jobs["deploy"].log
    for name in (API, WORKER):
        env = environment(cloud, name)
        assert env["KABOOM_PROVIDER_REQUESTS_PER_MINUTE"] == "jquants=500 yahoo=60"
        assert (env["KABOOM_PROVIDER"], env["JQUANTS_BULK"], env["JQUANTS_API_KEY"]) == ("jquants", "true", "3")
    assert "from the provider `jquants`" in jobs["deploy"].summary


def no_key_of_a_provider(push: Push, folder: Path) -> None:
    for states in (None, [], ["DISABLED", "DESTROYED"]):
        cloud = make_cloud()
        del cloud.secrets["jquants-api-key"]
        cloud.secrets |= {} if states is None else {"jquants-api-key": states}
        name = "absent" if states is None else f"versions-{len(states)}"
        jobs = release(cloud, replace(push, variables={"PROVIDER": "synthetic"}), folder / name)
        assert jobs["deploy"].result == "success", jobs["deploy"].log
        for service in (API, WORKER):
            env = environment(cloud, service)
            assert "JQUANTS_API_KEY" not in env
            # What stands before it and after it is there.
            assert env["JWT_SECRET_KEY"] == "3"
            assert yaml.safe_load(cloud.services[service].live.template)["spec"]["containers"][0]["volumeMounts"]
        # Who asks for the provider needs its key.
        cloud = make_cloud()
        cloud.secrets["jquants-api-key"] = ["DISABLED"]
        jobs = release(cloud, push, folder / f"asked-{name}")
        assert "::error::The secret jquants-api-key has no enabled version" in jobs["deploy"].log
        assert cloud.journal == []


@pytest.mark.parametrize("scenario", [real_data, no_key_of_a_provider], ids=lambda scenario: scenario.__name__)
def test_scenario(scenario: Scenario, tmp_path: Path) -> None:
    scenario(PUSH, tmp_path)


#: A file of infra/deploy, what is changed in it, into what, and the scenario that sees it.
FAULTS: Mapping[str, tuple[str, str, str, Scenario]] = {
    "every secret must be there": ("variables", "_API_KEY?", "_API_KEY", no_key_of_a_provider),
    "a provider without its key": (
        "secret-versions.sh",
        ' && [ "${secret%%-*}" != "${PROVIDER-}" ]',
        "",
        no_key_of_a_provider,
    ),
    "a key that is not looked for": ("secret-versions.sh", "  if number=$(", "  if false && number=$(", real_data),
    "a secret without a version": ("render.sh", '[ -n "${!name}" ] ||', "true ||", no_key_of_a_provider),
    "more than the secret is left out": ("render.sh", ",/{$name}/d", ",/volumeMounts/d", no_key_of_a_provider),
    "another limit": ("variables", "YAHOO_REQUESTS_PER_MINUTE=60", "YAHOO_REQUESTS_PER_MINUTE=6", real_data),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_shows(fault: str, tmp_path: Path) -> None:
    name, old, new, scenario = FAULTS[fault]
    scripts = shutil.copytree(ROOT / "infra/deploy", tmp_path / "scripts")
    script = scripts / name
    script.write_text(changed(old, new)(script.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises((AssertionError, KeyError)):
        scenario(replace(PUSH, text=changed("infra/deploy/", f"{scripts}/")(DEPLOY)), tmp_path)


def test_a_limit_that_nobody_can_set_shows(tmp_path: Path) -> None:
    text = changed("JQUANTS_REQUESTS_PER_MINUTE: ${{ vars.JQUANTS_REQUESTS_PER_MINUTE }}", "X: x")(DEPLOY)
    with pytest.raises(AssertionError):
        real_data(replace(PUSH, text=text), tmp_path)
