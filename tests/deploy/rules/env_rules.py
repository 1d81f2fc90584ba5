"""Variables and secrets of a manifest against the settings that read them."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from kaboom.errors import ConfigurationError
from kaboom.settings import AppSettings, load_settings
from tests.deploy.rules.manifests import containers, values_of
from tests.deploy.rules.run_rules import main_of
from tests.fixtures.repo.secret_names import kept_variables
from tests.repo.docs.test_settings import names_read

#: All that the services are given.
SECRETS = kept_variables()
CA_SECRET, CA_FILE = "redis-ca", "/etc/kaboom/redis/ca.pem"
#: Set by Cloud Run; a manifest that names one is refused.
_RESERVED = frozenset({"PORT", "K_SERVICE", "K_REVISION", "K_CONFIGURATION", "CLOUD_RUN_JOB", "CLOUD_RUN_EXECUTION"})


def variable_of(secret: str) -> str:
    """Return the variable that a secret fills."""
    return SECRETS.get(secret, secret.upper().replace("-", "_"))


def is_secret(name: str) -> bool:
    """Return whether the settings keep a variable's value out of logs."""
    fields = AppSettings.model_fields.values()
    return any(str(f.validation_alias) == name and "SecretStr" in str(f.annotation) for f in fields)


@cache
def _known() -> frozenset[str]:
    return frozenset(names_read())


def env_faults(document: Mapping[str, Any]) -> list[str]:
    """Return variables that nobody reads, that Cloud Run sets, that are secret, or that hold what they cannot."""
    main = main_of(document)
    names, values = [entry["name"] for entry in main.get("env", [])], values_of(main)
    faults = [f"{name} stands twice" for name in sorted({n for n in names if names.count(n) > 1})]
    faults += [f"{name} is read by nobody" for name in names if name not in _known()]
    faults += [f"{name} is set by Cloud Run" for name in names if name in _RESERVED]
    faults += [f"{name} is a secret, and stands in the manifest" for name in values if is_secret(name)]
    try:
        load_settings(**values)
    except ConfigurationError as e:
        faults.append(e.message)
    return faults


def secret_faults(document: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """Return secrets that are not those of the environment, or of another version than the deployment resolved."""
    prefix, faults = values["SECRET_PREFIX"], []
    for container in containers(document):
        for entry in container.get("env", []):
            if source := entry.get("valueFrom"):
                told = source["secretKeyRef"]
                faults += _fault(told["name"], told["key"], entry["name"], values)
    for volume in _secret_volumes(document):
        (item,) = volume["secret"]["items"]
        if volume["secret"]["secretName"] != f"{prefix}{CA_SECRET}":
            faults.append(f"volume {volume['name']} holds {volume['secret']['secretName']}")
        faults += _version_faults(item["key"], "REDIS_CA", values)
    return faults


def _fault(secret: str, version: str, variable: str, values: Mapping[str, str]) -> list[str]:
    if not secret.startswith(prefix := values["SECRET_PREFIX"]):
        return [f"{variable}: {secret} is another environment's, whose secrets begin with {prefix!r}"]
    if variable_of(secret.removeprefix(prefix)) != variable:
        return [f"{variable}: {secret} fills {variable_of(secret.removeprefix(prefix))}"]
    return _version_faults(version, variable, values)


def _version_faults(version: str, variable: str, values: Mapping[str, str]) -> list[str]:
    if not re.fullmatch(r"[1-9][0-9]*", version):
        return [f"{variable}: version was {version!r}, expected a number: another one would be read at a restart"]
    expected = values.get(f"VERSION_{variable}")
    return [] if version == expected else [f"{variable}: version was {version}, expected {expected}"]


def complete_faults(document: Mapping[str, Any]) -> list[str]:
    """Return what a service lacks of the specified secrets and of the CA's file."""
    main = main_of(document)
    filled = {entry["name"] for entry in main["env"] if "valueFrom" in entry}
    faults = [f"{secret} is missing" for secret in SECRETS if variable_of(secret) not in filled]
    return faults + ca_faults(document)


def link_faults(document: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """Return why links in notifications would not lead to the API."""
    found = values_of(main_of(document)).get("KABOOM_PUBLIC_URL")
    return [] if found == values["API_URL"] else [f"KABOOM_PUBLIC_URL was {found}, expected {values['API_URL']}"]


def ca_faults(document: Mapping[str, Any]) -> list[str]:
    """Return why REDIS_URL would name a file that is not there."""
    mounts = {mount["name"]: mount["mountPath"] for mount in main_of(document).get("volumeMounts", [])}
    paths = [f"{mounts.get(v['name'])}/{v['secret']['items'][0]['path']}" for v in _secret_volumes(document)]
    return [] if paths == [CA_FILE] else [f"files were {paths}, expected {CA_FILE}"]


def _secret_volumes(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    spec = document["spec"]["template"]["spec"]
    inner = spec if "containers" in spec else spec["template"]["spec"]
    return [volume for volume in inner.get("volumes", []) if "secret" in volume]
