"""The configuration of Google's external autoscaler, against a schema of what we use of it and our metrics."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from kaboom.telemetry.metrics import LEASES_ACTIVE, QUEUE_DEPTH
from tests.deploy.rules.run_rules import CONCURRENCY, LEAST, MOST


def _closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1}


_TEXT, _COUNT = {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}
_TRIGGER = _closed(
    type={"const": "prometheus"},
    name=_TEXT,
    # What KEDA's scaler of Prometheus reads, all of it text.
    metadata=_closed(
        serverAddress=_TEXT,
        query=_TEXT,
        threshold={"type": "string", "pattern": "^[0-9]+$"},
        ignoreNullValues={"enum": ["true", "false"]},
    ),
    authenticationRef=_closed(name=_TEXT),
)
_SCALED = _closed(
    scaleTargetRef=_closed(name=_TEXT),
    minReplicaCount=_COUNT,
    maxReplicaCount=_COUNT,
    triggers={"type": "array", "items": _TRIGGER, "minItems": 1, "maxItems": 1},
    advanced=_closed(
        horizontalPodAutoscalerConfig=_closed(behavior=_closed(scaleDown=_closed(stabilizationWindowSeconds=_COUNT)))
    ),
)
_AUTHENTICATION = _closed(metadata=_closed(name=_TEXT), spec=_closed(podIdentity=_closed(provider={"const": "gcp"})))
#: By hand, from the README of the autoscaler's configuration and the sources of KEDA 2.20: it publishes no schema.
_SCHEMA = _closed(
    apiVersion={"const": "crema/v1"},
    kind={"const": "CremaConfig"},
    spec=_closed(
        pollingInterval=_COUNT,
        triggerAuthentications=_list(_AUTHENTICATION),
        scaledObjects=_list(_closed(spec=_SCALED)),
    ),
)
_SERVER = "https://monitoring.googleapis.com/v1/projects/{PROJECT_ID}/location/global/prometheus"


def crema_faults(document: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """Return what of the configuration is no such configuration, or asks for what Kaboom does not show."""
    errors = Draft202012Validator(_SCHEMA).iter_errors(document)
    if shape := sorted(f"{error.json_path}: {error.message}" for error in errors):
        return shape
    spec = document["spec"]
    (scaled,) = (entry["spec"] for entry in spec["scaledObjects"])
    faults = [] if (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (LEAST, MOST) else ["bounds"]
    pool = "projects/{PROJECT_ID}/locations/{REGION}/workerpools/{WORKER_SERVICE}".format_map(values)
    if scaled["scaleTargetRef"]["name"] != pool:
        faults.append(f"target was {scaled['scaleTargetRef']['name']}, expected {pool}")
    (trigger,) = scaled["triggers"]
    known = {entry["metadata"]["name"] for entry in spec["triggerAuthentications"]}
    if trigger["authenticationRef"]["name"] not in known:
        faults.append(f"no authentication is called {trigger['authenticationRef']['name']}")
    return faults + _trigger_faults(trigger["metadata"], values)


def _trigger_faults(asked: Mapping[str, str], values: Mapping[str, str]) -> list[str]:
    faults = []
    if asked["serverAddress"] != _SERVER.format_map(values):
        faults.append(f"server was {asked['serverAddress']}")
    if asked["threshold"] != str(CONCURRENCY):
        faults.append(f"{asked['threshold']} for each instance, which runs {CONCURRENCY}")
    if asked["ignoreNullValues"] != "false":
        faults.append("no answer would end workers")
    # One number, each queue counted once: KEDA refuses more than one.
    of_api = f'{{namespace=~"{values["API_SERVICE"]}|"}}'
    parts = [f"sum(max by (queue) ({gauge.name}{of_api}))" for gauge in (QUEUE_DEPTH, LEASES_ACTIVE)]
    return faults if asked["query"] == " + ".join(parts) else [*faults, f"query was {asked['query']}"]
