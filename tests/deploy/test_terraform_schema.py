"""The Terraform files fit the provider's schema, refer to what there is, and look as `terraform fmt` leaves them."""

from pathlib import Path

import pytest

from tests.deploy.terraform.hcl import load_module
from tests.deploy.terraform.provider_schema import load_schema
from tests.deploy.terraform.tree import TERRAFORM, Plant, find_faults

# Each with a part of what must be said about it, and of nothing else.
PLANTS = {
    "misspelt argument": (
        Plant("redis.tf", "memory_size_gb     = var.redis.memory", "memory_size        = var.redis.memory"),
        "google_redis_instance.redis: there is no argument memory_size",
    ),
    "required argument left out": (
        Plant("secrets.tf", '  secret_id = "${local.secret_prefix}${each.key}"\n', ""),
        "google_secret_manager_secret.kaboom: secret_id is required",
    ),
    "required block left out": (
        Plant("secrets.tf", "  replication {\n    auto {}\n  }\n\n", ""),
        "the block replication is required",
    ),
    "text for a number": (
        Plant("redis.tf", "hours   = 18", 'hours   = "18"'),
        "start_time: hours is a number, not a string",
    ),
    "text for a boolean": (
        Plant("redis.tf", "auth_enabled            = true", 'auth_enabled            = "true"'),
        "auth_enabled is a bool, not a string",
    ),
    "value that is not listed": (
        Plant("redis.tf", '"SERVER_AUTHENTICATION"', '"SERVER_AUTHENTICATE"'),
        "transit_encryption_mode is one of SERVER_AUTHENTICATION, DISABLED",
    ),
    "map written as block": (
        Plant("redis.tf", "redis_configs = {", "redis_configs {"),
        "redis_configs is an argument, not a block",
    ),
    "block written as map": (
        Plant("run.tf", "retry_config {", "retry_config = {"),
        "retry_config is a block, not an argument",
    ),
    "block that there may be one of": (
        Plant("run.tf", "  http_target {", "  retry_config {}\n\n  http_target {"),
        "there is one block retry_config, not 2",
    ),
    "unknown argument in a dynamic block": (
        Plant(
            "redis.tf",
            "maintenance_policy {\n    weekly_maintenance_window {\n      day ",
            'dynamic "maintenance_policy" {\n    for_each = [1]\n    content {\n      weekday ',
        ),
        "maintenance_policy: there is no argument weekday",
    ),
    "unknown resource": (
        Plant("scaler.tf", '_pool_iam_member" "deployer"', '_pool_member" "deployer"'),
        "the provider has no google_cloud_run_v2_worker_pool_member",
    ),
    "change ignored that cannot happen": (
        Plant("run.tf", "[template, client,", "[templates, client,"),
        "ignore_changes names templates",
    ),
    "variable not declared": (
        Plant("redis.tf", "= var.redis.name\n", "= var.reds.name\n"),
        "var.reds is not declared",
    ),
    "resource not declared": (
        Plant("secrets.tf", "secret.kaboom[each.key]", "secret.that[each.key]"),
        "google_secret_manager_secret.that is not declared",
    ),
    "attribute that a resource has not": (
        Plant("outputs.tf", "redis.host}", "redis.hostname}"),
        "google_redis_instance has no attribute hostname",
    ),
    "local not declared": (
        Plant("monitoring.tf", "host = local.api_host", "host = local.host_of_api"),
        "local.host_of_api is not declared",
    ),
    "variable that nobody uses": (
        Plant("run.tf", "= var.nightly_schedule", '= "30 17 * * 1-5"'),
        "nobody uses var.nightly_schedule",
    ),
    "local that nobody uses": (
        Plant("github.tf", '    "(${join(" || ", local.branches)})",\n', ""),
        "nobody uses local.branches",
    ),
    "each without for_each": (
        Plant("run.tf", 'v2_job" "kaboom" {\n  for_each = local.jobs', 'v2_job" "kaboom" {\n  count = 1'),
        "each is used without for_each",
    ),
    "function that there is not": (
        Plant("alerts.tf", "yamldecode(file(", "yamldecode(readfile("),
        "readfile() is no function",
    ),
    "provider of another major version": (
        Plant("main.tf", '"~> 8.7"', '"~> 7.0"'),
        "is not hashicorp/google ~> 8.7",
    ),
    "lock of another version": (
        Plant(".terraform.lock.hcl", '"8.7.0"', '"8.6.0"'),
        "expected {'version': '8.7.0'",
    ),
    "= out of its column": (
        Plant("redis.tf", "region             = var.region", "region = var.region"),
        "has its = not below",
    ),
    "three spaces": (
        Plant("redis.tf", "  deletion_protection = true", "   deletion_protection = true"),
        "is not indented by 2",
    ),
}


def test_the_files_have_no_fault() -> None:
    assert find_faults() == []


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    plant, said = PLANTS[name]
    faults = find_faults(plant.into(tmp_path))
    assert [fault for fault in faults if said in fault], faults


def test_the_schema_is_whole() -> None:
    """A schema that was distilled wrongly would know too little to complain."""
    schema = load_schema()
    assert schema.version == "8.7.0"
    assert len(schema.resources) > 1800
    service = schema.resources["google_cloud_run_v2_service"]
    container = service.block.blocks["template"].schema.blocks["containers"]
    assert container.repeats
    assert container.schema.arguments["image"].required
    assert not service.block.blocks["template"].repeats
    assert "uri" in service.attributes
    assert "INGRESS_TRAFFIC_ALL" in service.block.arguments["ingress"].values


def test_there_is_one_flat_folder() -> None:
    """No module that is used once: a reader goes through a dozen files."""
    root = load_module(TERRAFORM)
    assert {path.parent for path in TERRAFORM.rglob("*.tf")} == {TERRAFORM}
    assert not list(root.all("module"))
    assert len(list(TERRAFORM.glob("*.tf"))) <= 15
    assert sum(1 for _ in root.all("resource")) > 50


def test_variables_and_outputs_stay_few() -> None:
    texts = [(TERRAFORM / name).read_text(encoding="utf-8") for name in ("variables.tf", "outputs.tf")]
    assert sum(len(text.splitlines()) for text in texts) <= 200
