"""Cloud Run's annotations: which resource takes which, by Google's own table, and what they may hold."""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tests.deploy.rules.discovery import describe
from tests.deploy.rules.manifests import containers

#: Google's page on manual scaling of worker pools writes them so; the description of the API does not list them.
_OF_POOLS_BY_THE_MANUAL = {"run.googleapis.com/scalingMode", "run.googleapis.com/manualInstanceCount"}
_OURS = ("run.googleapis.com/", "autoscaling.knative.dev/")
#: The resource that a template of each kind makes.
_MADE = {"Service": "Revision", "WorkerPool": "Revision", "Job": "Execution"}

_VALUES = {
    "run.googleapis.com/invoker-iam-disabled": "true|false",
    "run.googleapis.com/ingress": "all|internal|internal-and-cloud-load-balancing",
    "run.googleapis.com/minScale": "[0-9]+",
    "run.googleapis.com/maxScale": "[1-9][0-9]*",
    "run.googleapis.com/manualInstanceCount": "[0-9]+",
    "run.googleapis.com/scalingMode": "automatic|manual",
    "run.googleapis.com/cpu-throttling": "true|false",
    "run.googleapis.com/startup-cpu-boost": "true|false",
    "run.googleapis.com/execution-environment": "gen1|gen2",
    "run.googleapis.com/vpc-access-egress": "all-traffic|private-ranges-only",
}


@cache
def annotation_table() -> dict[str, frozenset[str]]:
    """Return which resources take an annotation, as `ObjectMeta.annotations` of the description tells."""
    text = describe("run.v1")["ObjectMeta"]["properties"]["annotations"]["description"]
    rows = re.findall(r"\* `([^`]+)`: ([A-Za-z, ]+)", text)
    table = {name: frozenset(re.findall(r"[A-Z][A-Za-z]+", resources)) for name, resources in rows}
    of_pools = describe("run.v1")["WorkerPool"]["properties"]["metadata"]["description"].split("accepted in")[1]
    for name in {*re.findall(r"`([^`]+)`", of_pools), *_OF_POOLS_BY_THE_MANUAL}:
        table[name] = table.get(name, frozenset()) | {"WorkerPool"}
    return table


def annotation_faults(document: Mapping[str, Any]) -> list[str]:
    """Return the annotations that are unknown, stand in the wrong place or hold what they cannot."""
    template = document["spec"]["template"]
    places = ((document["kind"], document["metadata"]), (_MADE[document["kind"]], template.get("metadata", {})))
    found = [(place, name, value) for place, meta in places for name, value in meta.get("annotations", {}).items()]
    names = {container["name"] for container in containers(document)}
    faults = [fault for place, name, value in found if (fault := _fault(place, name, value, names))]
    revision = template.get("metadata", {}).get("annotations", {})
    if "run.googleapis.com/network-interfaces" not in revision:
        faults.append("no way into the network")
    if "run.googleapis.com/vpc-access-connector" in revision:
        faults.append("a connector, which costs and does no more than a network interface")
    return faults


def _fault(place: str, name: str, value: str, names: set[str]) -> str:
    takers = annotation_table().get(name)
    if takers is None:
        return f"{place}: {name} is unknown" if name.startswith(_OURS) else ""
    # "All resources" is how the table says it of one.
    if place not in takers and "All" not in takers:
        return f"{place}: {name} belongs to {', '.join(sorted(takers))}"
    return _value_fault(name, value, names)


def _value_fault(name: str, value: str, names: set[str]) -> str:
    structured: dict[str, Callable[[Any], bool]] = {
        "run.googleapis.com/container-dependencies": lambda found: _are_containers(found, names),
        "run.googleapis.com/network-interfaces": _are_interfaces,
    }
    if check := structured.get(name):
        try:
            is_right = check(json.loads(value))
        except (ValueError, AttributeError, TypeError):
            is_right = False
    elif pattern := _VALUES.get(name):
        is_right = re.fullmatch(pattern, value) is not None
    else:
        return f"{name}: nobody has written down what it may hold"
    return "" if is_right else f"{name} was {value!r}"


def _are_containers(dependencies: Any, names: set[str]) -> bool:
    waiting = {name for name, others in dependencies.items() for name in (name, *others)}
    return waiting <= names and all(name not in others for name, others in dependencies.items())


def _are_interfaces(interfaces: Any) -> bool:
    return len(interfaces) == 1 and set(interfaces[0]) <= {"network", "subnetwork", "tags"}
