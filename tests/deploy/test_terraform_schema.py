"""The Terraform files fit the provider's schema, refer to what there is, and look as `terraform fmt` leaves them."""

from pathlib import Path

import pytest

from tests.deploy.terraform.provider_schema import load_schema
from tests.deploy.terraform.tree import TERRAFORM, Plant, find_faults, load_modules

# Each with a part of what must be said about it, and of nothing else.
PLANTS = {
    "misspelt argument": (
        Plant("modules/redis/main.tf", "memory_size_gb     = var.memory", "memory_size        = var.memory"),
        "google_redis_instance.this: there is no argument memory_size",
    ),
    "required argument left out": (
        Plant("modules/secrets/main.tf", '  secret_id = "${var.prefix}${each.key}"\n', ""),
        "google_secret_manager_secret.this: secret_id is required",
    ),
    "required block left out": (
        Plant("modules/secrets/main.tf", "  replication {\n    auto {}\n  }\n\n", ""),
        "the block replication is required",
    ),
    "text for a number": (
        Plant("modules/redis/main.tf", "hours   = 18", 'hours   = "18"'),
        "start_time: hours is a number, not a string",
    ),
    "text for a boolean": (
        Plant("modules/redis/main.tf", "auth_enabled            = true", 'auth_enabled            = "true"'),
        "auth_enabled is a bool, not a string",
    ),
    "value that is not listed": (
        Plant("modules/redis/main.tf", '"SERVER_AUTHENTICATION"', '"SERVER_AUTHENTICATE"'),
        "transit_encryption_mode is one of SERVER_AUTHENTICATION, DISABLED",
    ),
    "map written as block": (
        Plant("modules/redis/main.tf", "redis_configs = {", "redis_configs {"),
        "redis_configs is an argument, not a block",
    ),
    "block written as map": (
        Plant("modules/scheduler/main.tf", "retry_config {", "retry_config = {"),
        "retry_config is a block, not an argument",
    ),
    "block that there may be one of": (
        Plant("modules/scheduler/main.tf", "  http_target {", "  retry_config {}\n\n  http_target {"),
        "there is one block retry_config, not 2",
    ),
    "unknown argument in a dynamic block": (
        Plant(
            "modules/redis/main.tf",
            "maintenance_policy {\n    weekly_maintenance_window {\n      day ",
            'dynamic "maintenance_policy" {\n    for_each = [1]\n    content {\n      weekday ',
        ),
        "maintenance_policy: there is no argument weekday",
    ),
    "unknown resource": (
        Plant("modules/run/worker_pool.tf", "google_cloud_run_v2_worker_pool_iam_member", "google_run_pool_member"),
        "the provider has no google_run_pool_member",
    ),
    "change ignored that cannot happen": (
        Plant("modules/run/jobs.tf", "[template, client,", "[templates, client,"),
        "ignore_changes names templates",
    ),
    "variable not declared": (
        Plant("modules/redis/main.tf", "= var.name\n", "= var.nam\n"),
        "var.nam is not declared",
    ),
    "resource not declared": (
        Plant("modules/secrets/main.tf", "secret.this[each.key]", "secret.that[each.key]"),
        "google_secret_manager_secret.that is not declared",
    ),
    "attribute that a resource has not": (
        Plant("modules/redis/outputs.tf", "this.host}", "this.hostname}"),
        "google_redis_instance has no attribute hostname",
    ),
    "local not declared": (
        Plant("main.tf", "api_host   = local.api_host", "api_host   = local.host_of_api"),
        "local.host_of_api is not declared",
    ),
    "module input that nobody takes": (
        Plant("main.tf", "persistence    = var.redis.p", "snapshots      = var.redis.p"),
        "there is no variable snapshots",
    ),
    "module input left out": (
        Plant("main.tf", "  memory_size_gb = var.redis.memory_size_gb\n", ""),
        "the variable memory_size_gb is required",
    ),
    "module input of another type": (
        Plant("main.tf", "  refs           = var.refs\n", '  refs           = "main"\n'),
        "the variable refs is a list, not a string",
    ),
    "module output that there is not": (
        Plant("outputs.tf", "module.federation.provider", "module.federation.providers"),
        "there is no output providers",
    ),
    "module output that nobody uses": (
        Plant("outputs.tf", "module.federation.provider", "local.suffix"),
        "federation: nobody uses the output provider",
    ),
    "each without for_each": (
        Plant("modules/run/jobs.tf", 'v2_job" "this" {\n  for_each = var.jobs', 'v2_job" "this" {\n  count = 1'),
        "each is used without for_each",
    ),
    "function that there is not": (
        Plant("modules/alerts/main.tf", "yamldecode(file(", "yamldecode(readfile("),
        "readfile() is no function",
    ),
    "provider of another major version": (
        Plant("versions.tf", '"~> 8.7"', '"~> 7.0"'),
        "is not hashicorp/google ~> 8.7",
    ),
    "= out of its column": (
        Plant("modules/redis/main.tf", "region             = var.region", "region = var.region"),
        "has its = not below",
    ),
    "three spaces": (
        Plant("modules/redis/main.tf", "  deletion_protection = true", "   deletion_protection = true"),
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


def test_every_module_is_called_and_holds_something() -> None:
    modules = load_modules()
    assert {folder.name for folder in modules if folder.parent.name != "modules"} == {"terraform"}
    assert sum(1 for module in modules.values() for _ in module.all("resource")) > 25


def test_variables_and_outputs_stay_few() -> None:
    files = [path for name in ("variables.tf", "outputs.tf") for path in TERRAFORM.rglob(name)]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) <= 450
