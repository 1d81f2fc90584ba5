"""What must hold of both environments: who may do what, what is protected, and that they do not meet."""

from pathlib import Path

import pytest

from tests.deploy.rules.manifests import default_values
from tests.deploy.terraform.environments import WITH_ALL, WITH_BUDGET, WITH_POOL, build, environment
from tests.deploy.terraform.hcl import as_names, load_module
from tests.deploy.terraform.policies import find_faults, shared_names
from tests.deploy.terraform.tree import ENVIRONMENTS, TERRAFORM, Plant

_IDENTITIES, _SECRETS, _NETWORK = "accounts.tf", "secrets.tf", "network.tf"
_DATABASE, _FILES = "database.tf", "files.tf"
_REGISTRY, _LOOKS = (
    "registry.tf",
    '"roles/run.viewer"\n  member  = "serviceAccount:${local.emails["deployer"]}',
)
#: Where the conditions of the audit and of the environments differ.
_AUDIT = "audit.yml@refs/heads/main'"
_REDIS, _FEDERATION, _RUN = "redis.tf", "github.tf", "run.tf"

#: The first two claims of releases; the audit's are followed by another third.
_CLAIMS = (
    "    \"assertion.repository == '${var.github_repository}'\",\n"
    "    \"assertion.repository_id == '${var.github_repository_id}'\",\n"
    '    "(${join('
)

# Each with a part of what must be said about it.
PLANTS = {
    "every secret of the project for a runtime account": (
        Plant(_IDENTITIES, '"roles/logging.logWriter"', '"roles/secretmanager.secretAccessor"'),
        "secretAccessor is granted to",
    ),
    "editor": (Plant(_IDENTITIES, _LOOKS, _LOOKS.replace("run.viewer", "editor")), "roles/editor rules"),
    "deploying to the whole project": (
        Plant(_IDENTITIES, _LOOKS, _LOOKS.replace("run.viewer", "run.developer")),
        "roles/run.developer is granted to",
    ),
    "deployer that reads secrets": (
        Plant(_SECRETS, '"roles/secretmanager.viewer"', '"roles/secretmanager.secretAccessor"'),
        "the deployer has roles/secretmanager.secretAccessor",
    ),
    "deployer that becomes itself another": (
        Plant(_IDENTITIES, "for_each = toset(local.runtime)", 'for_each = toset(["api", "worker", "builder"])'),
        "kaboom-builder@kaboom-472705.iam.gserviceaccount.com may be attached",
    ),
    "binding instead of a member": (
        Plant(_SECRETS, 'secret_iam_member" "reader"', 'secret_iam_binding" "reader"'),
        "grants with more than a member's worth",
    ),
    "secret's value in the state": (
        Plant(
            _SECRETS,
            "# A deploy pins",
            'resource "google_secret_manager_secret_version" "v" {\n  secret_data = "y"\n}\n\n# A deploy pins',
        ),
        "its value would lie in the state",
    ),
    "key of an account": (
        Plant(
            _IDENTITIES,
            "# To follow what",
            'resource "google_service_account_key" "k" {\n  service_account_id = "x"\n}\n\n# To follow what',
        ),
        "google_service_account_key.k: its value would lie in the state",
    ),
    "Redis without AUTH": (Plant(_REDIS, "= true\n  transit", "= false\n  transit"), "auth_enabled is False"),
    "Redis without TLS": (
        Plant(_REDIS, '"SERVER_AUTHENTICATION"', '"DISABLED"'),
        "transit_encryption_mode is DISABLED",
    ),
    "Redis that evicts": (Plant(_REDIS, '"noeviction"', '"volatile-lru"'), "redis_configs is"),
    "Redis of one node": (Plant("production.tfvars", '"STANDARD_HA"', '"BASIC"'), "tier is BASIC"),
    "Redis that can be destroyed": (
        Plant(_REDIS, "  deletion_protection = true\n", "  deletion_protection = false\n"),
        "deletion_protection is False",
    ),
    "maintenance while the market is open": (Plant(_REDIS, '"SATURDAY"', '"TUESDAY"'), "is not in a night before"),
    "service that can be destroyed": (
        Plant(
            _RUN,
            "  deletion_protection = true\n\n  # Where",
            "  deletion_protection = false\n\n  # Where",
        ),
        'google_cloud_run_v2_service.kaboom["api"]: deletion_protection is False',
    ),
    "protection left out": (Plant(_SECRETS, "  deletion_protection = true\n", ""), "deletion_protection is None"),
    "secret that a plan may destroy": (
        Plant(_SECRETS, "    prevent_destroy = true\n", "    prevent_destroy = false\n"),
        "lifecycle is {'prevent_destroy': False}",
    ),
    "federation for any repository": (
        Plant(_FEDERATION, _CLAIMS, _CLAIMS.partition("\n")[2]),
        "the condition says nothing of assertion.repository:",
    ),
    "federation for any branch": (
        Plant(_FEDERATION, '    "(${join(" || ", local.branches)})",\n', ""),
        "the condition says nothing of assertion.ref:",
    ),
    "audit of any branch": (
        Plant(_FEDERATION, _AUDIT, _AUDIT.replace("main", "${var.environment}")),
        "more than the audit of main is the auditor",
    ),
    "audit of any workflow": (
        Plant(
            _FEDERATION,
            " == '${var.github_repository}/.github/workflows/audit.yml@refs/heads/main'",
            ".startsWith('${var.github_repository}/.github/workflows/')",
        ),
        "more than the audit of main is the auditor",
    ),
    "audit that could deploy": (
        Plant(
            _FEDERATION, '"attribute.auditor" = "assertion.repository"', '"attribute.environment" = "\'production\'"'
        ),
        "the audit could act as another",
    ),
    "auditor of the whole pool": (
        Plant(_FEDERATION, "/attribute.auditor/${var.github_repository}", "/*"),
        "is more than the environment production",
    ),
    "releases that act as the auditor": (
        Plant(
            _FEDERATION,
            'toset(["builder", "deployer"])',
            'toset(["builder", "auditor"])',
        ),
        "GitHub may act as kaboom-auditor@",
    ),
    "auditor that pushes images": (
        Plant(
            _REGISTRY,
            '"roles/artifactregistry.reader"\n  member     = "serviceAccount:${local.emails["auditor"]}"',
            '"roles/artifactregistry.writer"\n  member     = "serviceAccount:${local.emails["auditor"]}"',
        ),
        "the auditor has roles/artifactregistry.writer",
    ),
    "auditor that sees no revision": (
        Plant(
            _IDENTITIES, '"serviceAccount:${local.emails["auditor"]}"', '"serviceAccount:${local.emails["deployer"]}"'
        ),
        "the auditor reads 2 things",
    ),
    "federation for the whole pool": (
        Plant(_FEDERATION, "/attribute.environment/${var.environment}", "/*"),
        "is more than the environment production",
    ),
    "worker that anybody may call": (
        Plant(_RUN, "public = false", "public = true"),
        "invoker_iam_disabled is True",
    ),
    "worker that the internet reaches": (
        Plant(_RUN, '"INGRESS_TRAFFIC_INTERNAL_ONLY"', '"INGRESS_TRAFFIC_ALL"'),
        "ingress is INGRESS_TRAFFIC_ALL",
    ),
    "token in a header of the scheduler": (
        Plant(
            _RUN,
            "    http_method =",
            '    headers = { x-ingest-token = "t" }\n    http_method =',
        ),
        "what it sends lies in the state",
    ),
    "database with a public address": (
        Plant(_DATABASE, "ipv4_enabled    = false", "ipv4_enabled    = true"),
        "ipv4_enabled is True",
    ),
    "database without TLS": (
        Plant(_DATABASE, '"ENCRYPTED_ONLY"', '"ALLOW_UNENCRYPTED_AND_ENCRYPTED"'),
        "ssl_mode is ALLOW",
    ),
    "database without its minutes": (
        Plant(_DATABASE, "point_in_time_recovery_enabled = true", "point_in_time_recovery_enabled = false"),
        "point_in_time_recovery_enabled is False",
    ),
    "database that can be destroyed": (
        Plant(_DATABASE, '"POSTGRES_18"\n  deletion_protection = true', '"POSTGRES_18"\n  deletion_protection = false'),
        "deletion_protection is False",
    ),
    "production's database in one zone": (
        Plant("production.tfvars", "regional = true", "regional = false"),
        "availability_type is ZONAL",
    ),
    "database with the default number of connections": (
        Plant("production.tfvars", "connections = 400", "connections = 100"),
        "is too few, 388 are needed",
    ),
    "maintenance of the database on a Monday": (Plant(_DATABASE, "day  = 6", "day  = 7"), "is not in a night"),
    "account that reads a secret and runs nothing": (
        Plant(_SECRETS, "database-url          = local.both", 'database-url          = ["api", "worker", "builder"]'),
        "kaboom-builder@kaboom-472705.iam.gserviceaccount.com reads a secret",
    ),
    "connector beside the network": (
        Plant(
            _NETWORK,
            'resource "google_compute_global_address"',
            'resource "google_vpc_access_connector" "c" {\n  name = "c"\n}\n\nresource "google_compute_global_address"',
        ),
        "Cloud Run reaches all by Direct egress",
    ),
    "network that makes subnetworks itself": (
        Plant(_NETWORK, "auto_create_subnetworks = false", "auto_create_subnetworks = true"),
        "auto_create_subnetworks is True",
    ),
    "release in the network default": (
        Plant("outputs.tf", "= local.network", '= "default"'),
        "the release is told of another network",
    ),
    "addresses for half a release": (
        Plant("variables.tf", '"10.9.0.0/24"', '"10.9.0.0/27"'),
        "32 addresses carry no release of 10 instances",
    ),
    "servers in Cloud Run's addresses": (
        Plant("variables.tf", '"10.64.0.0/20"', '"10.9.0.0/20"'),
        "10.9.0.0/20 overlaps 10.9.0.0/24",
    ),
    "Redis by a peering of its own": (
        Plant(_REDIS, '"PRIVATE_SERVICE_ACCESS"', '"DIRECT_PEERING"'),
        "connect_mode is DIRECT_PEERING",
    ),
    "public files": (Plant(_FILES, '"enforced"', '"inherited"'), "public_access_prevention is inherited"),
    "files without versions": (Plant(_FILES, "    enabled = true", "    enabled = false"), "versioning is"),
    "files that the API may delete": (
        Plant(_FILES, '"roles/storage.objectViewer"', '"roles/storage.objectUser"'),
        "the bucket: [",
    ),
    "release with the name of another bucket": (
        Plant("outputs.tf", "= google_storage_bucket.files.name", '= "another"'),
        "gets the name of another bucket",
    ),
    "name that Google does not take": (
        Plant(_IDENTITIES, '"kaboom-${each.key}', '"kaboom-cloud-run-account-${each.key}'),
        "account_id has more than 30 letters",
    ),
}


def faults_of(plant: Plant, folder: Path, name: str = "production") -> list[str]:
    (expanded := folder / "expanded").mkdir()
    return find_faults(build(name, expanded, terraform=plant.into(folder), variables=WITH_ALL))


_RECEIVERS = "[for channel in google_monitoring_notification_channel.email : channel.id]"
#: Of an environment with a budget.
BUDGETS = {
    "everybody's costs": ('["projects/${var.project_number}"]', "[]", "counts []"),
    "costs that are there": ('    spend_basis       = "FORECASTED_SPEND"\n', "", "sends no mail before the costs"),
    "no receivers": (f"s = {_RECEIVERS}", "s = []", "0 of 1"),
    "nothing allowed": ("= var.budget.amount", '= "0"', "allows nothing"),
}  # fmt: skip


@pytest.mark.parametrize("name", BUDGETS)
def test_a_budget_that_nobody_hears_of_is_found(name: str, tmp_path: Path) -> None:
    old, new, said = BUDGETS[name]
    tree = Plant("alerts.tf", old, new).into(tmp_path)
    (expanded := tmp_path / "expanded").mkdir()
    faults = find_faults(build("production", expanded, terraform=tree, variables=WITH_BUDGET))
    assert [fault for fault in faults if said in fault], faults


def test_no_budget_is_made_unless_somebody_says_how_much() -> None:
    assert environment("production").all("google_billing_budget") == []
    assert len(environment("production", WITH_BUDGET).all("google_billing_budget")) == 1


def test_staging_pays_for_no_second_node_and_no_api_that_sleeps() -> None:
    staging, production = environment("staging"), environment("production")
    assert [r["tier"] for r in staging.all("google_redis_instance")] == ["BASIC"]
    assert staging.outputs["github_variables"]["API_MIN_INSTANCES"] == "0"
    assert set(staging.outputs["github_variables"]) - set(production.outputs["github_variables"]) <= set(
        default_values()
    )
    # What asks each minute would keep it awake.
    assert staging.all("google_monitoring_uptime_check_config") == []
    assert len(production.all("google_monitoring_uptime_check_config")) == 1


def test_an_api_that_is_kept_awake_is_seen(tmp_path: Path) -> None:
    plant = Plant("main.tf", "merge(local.defaults, var.instances)", "merge(var.instances, local.defaults)")
    (expanded := tmp_path / "expanded").mkdir()
    assert build("staging", expanded, terraform=plant.into(tmp_path)).all("google_monitoring_uptime_check_config")


VARIABLES = {"as set": "", "with a worker pool": WITH_POOL, "with a budget": WITH_BUDGET, "with servers": WITH_ALL}


@pytest.mark.parametrize("variables", VARIABLES.values(), ids=VARIABLES)
@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_rule_is_broken(name: str, variables: str) -> None:
    assert len(environment(name, variables).resources) > 100
    assert find_faults(environment(name, variables)) == []


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_found(name: str, tmp_path: Path) -> None:
    plant, said = PLANTS[name]
    faults = faults_of(plant, tmp_path)
    assert [fault for fault in faults if said in fault], faults


def test_staging_does_not_take_the_branch_of_production(tmp_path: Path) -> None:
    plant = Plant("staging.tfvars", '["refs/heads/staging"]', '["refs/heads/main"]')
    faults = faults_of(plant, tmp_path, "staging")
    assert [fault for fault in faults if "takes the branch of production" in fault]


def test_the_environments_share_no_name() -> None:
    assert shared_names(environment("production", WITH_ALL), environment("staging", WITH_ALL)) == set()


def test_a_shared_name_is_found(tmp_path: Path) -> None:
    plant = Plant("staging.tfvars", '"redis-asia-northeast1-staging"', '"redis-asia-northeast1"')
    (expanded := tmp_path / "expanded").mkdir()
    staging = build("staging", expanded, terraform=plant.into(tmp_path))
    assert shared_names(environment("production"), staging) == {("google_redis_instance", "redis-asia-northeast1")}


def test_terraform_leaves_revisions_to_the_deployment() -> None:
    left = {
        block.name.removeprefix("google_cloud_run_v2_"): set(as_names(lifecycle.arguments["ignore_changes"]))
        for block in load_module(TERRAFORM).all("resource")
        if block.name.startswith("google_cloud_run_v2_")
        for lifecycle in block.all("lifecycle")
    }
    assert set(left) == {"service.kaboom", "job.kaboom", "worker_pool.worker"}
    assert all({"template", "client", "client_version"} <= ignored for ignored in left.values())
    assert {"traffic", "scaling"} <= left["service.kaboom"]
    assert {"instance_splits", "scaling"} <= left["worker_pool.worker"]
