"""What must hold of the stores that Terraform makes, the database and the bucket of files, and of the way to them."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from tests.deploy.rules.manifests import default_values
from tests.deploy.terraform.expand import Environment, Resource

_MAY = {"api": {"roles/storage.objectViewer"}, "worker": {"roles/storage.objectUser"}}


def _differ(resource: Resource, values: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        if values.get(name) != value:
            yield f"{resource.address}: {name} is {values.get(name)}"


def the_database_is_safe(environment: Environment) -> Iterator[str]:
    """No public address, TLS, backups and every minute of a week; production in two zones."""
    for r in environment.all("google_sql_database_instance"):
        settings = r["settings"]
        yield from _differ(r, r.values, {"database_version": "POSTGRES_18", "lifecycle": {"prevent_destroy": True}})
        yield from _differ(r, settings, {"deletion_protection_enabled": True, "retain_backups_on_delete": True})
        yield from _differ(r, settings["ip_configuration"], {"ipv4_enabled": False, "ssl_mode": "ENCRYPTED_ONLY"})
        backups = {"enabled": True, "point_in_time_recovery_enabled": True, "transaction_log_retention_days": 7}
        yield from _differ(r, settings["backup_configuration"], backups)
        yield from _connections(environment, r)
        if environment.name == "production":
            yield from _differ(r, settings, {"availability_type": "REGIONAL"})
        if (window := settings["maintenance_window"]) not in ({"day": 5, "hour": 18}, {"day": 6, "hour": 18}):
            yield f"{r.address}: maintenance at {window} in UTC is not in a night before a day without a session"


def _connections(environment: Environment, r: Resource) -> Iterator[str]:
    """Instances of the API open 11, workers 24, twice during a release; a tenth of all is for jobs and people."""
    bounds = default_values() | environment.outputs["github_variables"]
    needed = 2 * (11 * int(bounds["API_MAX_INSTANCES"]) + 24 * int(bounds["WORKER_MAX_INSTANCES"])) * 10 // 9
    flag = r["settings"]["database_flags"]
    if flag["name"] != "max_connections" or int(flag["value"]) < needed:
        yield f"{r.address}: {flag} is too few, {needed} are needed"


def servers_are_reached_from_within(environment: Environment) -> Iterator[str]:
    """One network of the environment's own, whose subnetwork holds every instance, peered with Google's servers."""
    networks = environment.all("google_compute_network")
    if [r["name"] for r in networks] != [environment.outputs["github_variables"]["NETWORK"]]:
        yield f"the release is told of another network than {[r['name'] for r in networks]}"
    for r in networks:
        yield from _differ(r, r.values, {"auto_create_subnetworks": False})
    for r in environment.all("google_vpc_access_connector", "google_compute_instance", "google_compute_firewall"):
        yield f"{r.address}: Cloud Run reaches all by Direct egress, and no machine is ours"
    subnetworks = environment.all("google_compute_subnetwork")
    if [r["name"] for r in subnetworks] != [environment.outputs["github_variables"]["SUBNETWORK"]]:
        yield f"the release is told of another subnetwork than {[r['name'] for r in subnetworks]}"
    addresses = sum(ip_network(r["ip_cidr_range"]).num_addresses for r in subnetworks)
    bounds = default_values() | environment.outputs["github_variables"]
    instances = int(bounds["API_MAX_INSTANCES"]) + int(bounds["WORKER_MAX_INSTANCES"])
    # Two for each instance, before and after a release, and four that Google keeps.
    if addresses < 4 * instances + 4:
        yield f"{addresses} addresses carry no release of {instances} instances"
    yield from _peering(environment)


def _peering(environment: Environment) -> Iterator[str]:
    ranges = environment.all("google_compute_global_address")
    for r in ranges:
        yield from _differ(r, r.values, {"purpose": "VPC_PEERING", "address_type": "INTERNAL"})
        own = ip_network(f"{r['address']}/{r['prefix_length']}")
        for other in environment.all("google_compute_subnetwork"):
            if own.overlaps(ip_network(other["ip_cidr_range"])):
                yield f"{r.address}: {own} overlaps {other['ip_cidr_range']}"
    connections = environment.all("google_service_networking_connection")
    if (len(ranges), len(connections)) != (1, 1):
        yield f"{len(ranges)} ranges and {len(connections)} peerings lead to Google's servers"
    for r in environment.all("google_redis_instance"):
        yield from _differ(r, r.values, {"connect_mode": "PRIVATE_SERVICE_ACCESS"})


def files_are_kept(environment: Environment) -> Iterator[str]:
    """One bucket, which is never public and never emptied in passing; the worker writes it, the API reads it."""
    buckets = environment.all("google_storage_bucket")
    wanted = {
        "uniform_bucket_level_access": True,
        "public_access_prevention": "enforced",
        "force_destroy": False,
        "versioning": {"enabled": True},
        "lifecycle": {"prevent_destroy": True},
    }
    if len(buckets) != 1:
        yield f"there are {len(buckets)} buckets"
    for r in buckets:
        yield from _differ(r, r.values, wanted)
        if environment.outputs["github_variables"].get("DATA_BUCKET") != r["name"]:
            yield f"{r.address}: the release gets the name of another bucket"
    yield from _check_members(environment)


def _check_members(environment: Environment) -> Iterator[str]:
    members = [r for r in environment.all("google_storage_bucket_iam_member") if ".imports" not in r.address]
    found = {
        account: {r["role"] for r in members if r["member"].startswith(f"serviceAccount:kaboom-{account}")}
        for account in _MAY
    }
    if found != _MAY or len(members) != len(_MAY):
        yield f"the bucket: {sorted((r['member'], r['role']) for r in members)}"


STORE_RULES = (the_database_is_safe, servers_are_reached_from_within, files_are_kept)
