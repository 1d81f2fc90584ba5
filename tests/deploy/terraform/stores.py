"""What must hold of the stores that Terraform makes: the database, InfluxDB, and the bucket of files."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.deploy.terraform.expand import Environment, Resource

#: Identity-Aware Proxy: https://cloud.google.com/iap/docs/using-tcp-forwarding
_PROXY = "35.235.240.0/20"
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
        yield from _differ(r, settings["database_flags"], {"name": "max_connections", "value": "250"})
        if environment.name == "production":
            yield from _differ(r, settings, {"availability_type": "REGIONAL"})
        if (window := settings["maintenance_window"]) not in ({"day": 5, "hour": 18}, {"day": 6, "hour": 18}):
            yield f"{r.address}: maintenance at {window} in UTC is not in a night before a day without a session"


def bars_outlive_their_vm(environment: Environment) -> Iterator[str]:
    """They are on a disk that is kept, with a snapshot each night."""
    disks = environment.all("google_compute_disk")
    snapshots = {r["disk"]: r["name"] for r in environment.all("google_compute_disk_resource_policy_attachment")}
    policies = {
        r["name"]: r["snapshot_schedule_policy"]["retention_policy"]
        for r in environment.all("google_compute_resource_policy")
    }
    for r in disks:
        yield from _differ(r, r["lifecycle"] or {}, {"prevent_destroy": True})
        if policies.get(snapshots.get(r["name"], ""), {}).get("on_source_disk_delete") != "KEEP_AUTO_SNAPSHOTS":
            yield f"{r.address}: has no snapshots that outlive it"
    for r in environment.all("google_compute_instance"):
        if not disks or "attached_disk" not in r.values:
            yield f"{r.address}: keeps its data on the disk that it starts from"


def servers_are_reached_from_within(environment: Environment) -> Iterator[str]:
    """A VM has no public address, and each rule of the firewall names its VM and a port, and no wide range."""
    own = {r["ip_cidr_range"] for r in environment.all("google_vpc_access_connector", "google_compute_subnetwork")}
    for r in environment.all("google_compute_instance"):
        if "access_config" in r["network_interface"]:
            yield f"{r.address}: has a public address"
    for r in environment.all("google_compute_firewall"):
        ports = r["allow"].get("ports")
        if not r["target_service_accounts"]:
            yield f"{r.address}: opens every VM of the network"
        if set(r["source_ranges"] or ["any"]) - ({_PROXY} if ports == ["22"] else own):
            yield f"{r.address}: lets {r['source_ranges']} in to {ports}"


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
    members = [r for r in environment.all("google_storage_bucket_iam_member") if not r.address.endswith("imports")]
    found = {
        account: {r["role"] for r in members if r["member"].startswith(f"serviceAccount:kaboom-{account}")}
        for account in _MAY
    }
    if found != _MAY or len(members) != len(_MAY):
        yield f"the bucket: {sorted((r['member'], r['role']) for r in members)}"


STORE_RULES = (the_database_is_safe, bars_outlive_their_vm, servers_are_reached_from_within, files_are_kept)
