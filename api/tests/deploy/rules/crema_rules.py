"""The configuration of Google's external autoscaler, against a schema of what we use of it and our Redis keys."""

from collections.abc import Mapping
from typing import Any

from jsonschema import Draft202012Validator

from app.engine.message import list_key
from app.jobs.queues import Queue
from app.live import keys
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
_FLAG, _NUMERAL = {"enum": ["true", "false"]}, {"type": "string", "pattern": "^[0-9]+$"}
_SECRET = _closed(parameter={"enum": ["password", "ca"]}, id=_TEXT, version=_NUMERAL)
_TRIGGER = _closed(
    type={"const": "redis"},
    name=_TEXT,
    # What KEDA's scaler of Redis lists reads, all of it text.
    metadata=_closed(address=_TEXT, enableTLS=_FLAG, databaseIndex=_NUMERAL, listName=_TEXT, listLength=_NUMERAL),
    authenticationRef=_closed(name=_TEXT),
)
_SCALED = _closed(
    scaleTargetRef=_closed(name=_TEXT),
    minReplicaCount=_COUNT,
    maxReplicaCount=_COUNT,
    triggers=_list(_TRIGGER),
    advanced=_closed(
        horizontalPodAutoscalerConfig=_closed(behavior=_closed(scaleDown=_closed(stabilizationWindowSeconds=_COUNT)))
    ),
)
_AUTHENTICATION = _closed(metadata=_closed(name=_TEXT), spec=_closed(gcpSecretManager=_closed(secrets=_list(_SECRET))))
#: By hand, from the README of the autoscaler's configuration: it publishes no schema.
_SCHEMA = _closed(
    apiVersion={"const": "crema/v1"},
    kind={"const": "CremaConfig"},
    spec=_closed(
        pollingInterval=_COUNT,
        triggerAuthentications=_list(_AUTHENTICATION),
        scaledObjects=_list(_closed(spec=_SCALED)),
    ),
)


def crema_faults(document: Mapping[str, Any], values: Mapping[str, str]) -> list[str]:
    """Return what of the configuration is no such configuration, or names what Kaboom does not write."""
    errors = Draft202012Validator(_SCHEMA).iter_errors(document)
    if shape := sorted(f"{error.json_path}: {error.message}" for error in errors):
        return shape
    spec = document["spec"]
    (scaled,) = (entry["spec"] for entry in spec["scaledObjects"])
    faults = [] if (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (LEAST, MOST) else ["bounds"]
    pool = "projects/{PROJECT_ID}/locations/{REGION}/workerpools/{WORKER_SERVICE}".format_map(values)
    if scaled["scaleTargetRef"]["name"] != pool:
        faults.append(f"target was {scaled['scaleTargetRef']['name']}, expected {pool}")
    faults += _list_faults([trigger["metadata"] for trigger in scaled["triggers"]])
    known = {entry["metadata"]["name"] for entry in spec["triggerAuthentications"]}
    used = {trigger["authenticationRef"]["name"] for trigger in scaled["triggers"]}
    return faults + [f"no authentication is called {name}" for name in sorted(used - known)]


def _list_faults(triggers: list[Mapping[str, str]]) -> list[str]:
    named = [trigger["listName"] for trigger in triggers]
    expected = [name for queue in Queue for name in (list_key(queue), keys.leases(queue))]
    faults = [f"{name} is no key of a queue" for name in named if name not in expected]
    faults += [f"{name} is not watched" for name in expected if name not in named]
    for trigger in triggers:
        if trigger["listLength"] != str(CONCURRENCY):
            faults.append(f"{trigger['listName']}: {trigger['listLength']} for each instance, which runs {CONCURRENCY}")
        if trigger["enableTLS"] != "true":
            faults.append(f"{trigger['listName']}: asked without TLS")
    return faults
