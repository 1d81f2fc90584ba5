"""What must hold of an environment whatever else changes: each rule yields the faults that it finds."""

from collections import Counter
from collections.abc import Callable, Iterator

from tests.deploy.terraform.expand import Environment, Resource, unknown_in
from tests.deploy.terraform.provider_schema import load_schema
from tests.deploy.terraform.stores import STORE_RULES

type Rule = Callable[[Environment], Iterator[str]]

_ACCESSOR = "roles/secretmanager.secretAccessor"
_READERS = ("api", "worker")
#: What may be granted for the whole project, and to whom.
PROJECT_ROLES = {
    "roles/monitoring.metricWriter": {"api", "worker"},
    "roles/logging.logWriter": {"api", "worker"},
    "roles/run.viewer": {"deployer", "auditor"},
    "roles/parametermanager.parameterViewer": {"scaler"},
    "roles/monitoring.viewer": {"scaler"},
}
#: All that the account which deploys may do, and on what.
_DEPLOYER = {
    ("google_project_iam_member", "roles/run.viewer"),
    ("google_secret_manager_secret_iam_member", "roles/secretmanager.viewer"),
    ("google_artifact_registry_repository_iam_member", "roles/artifactregistry.reader"),
    ("google_service_account_iam_member", "roles/iam.serviceAccountUser"),
    ("google_cloud_run_v2_service_iam_member", "roles/run.developer"),
    ("google_cloud_run_v2_job_iam_member", "roles/run.developer"),
    ("google_cloud_run_v2_worker_pool_iam_member", "roles/run.developer"),
}
#: All that the account which audits may do.
_AUDITOR = {
    ("google_project_iam_member", "roles/run.viewer"),
    ("google_artifact_registry_repository_iam_member", "roles/artifactregistry.reader"),
}
#: What cannot be told before apply.
_COMPUTED = {
    "google_monitoring_alert_policy.api_away",
    "google_parameter_manager",
    "google_cloud_run_v2_service.scaler",
    "google_storage_bucket_iam_member.imports",
}
_KEPT = ("google_service_account", "google_artifact_registry_repository", "google_iam_workload_identity_pool")
#: What holds a value that Terraform could not make again.
_IRREPLACEABLE = ("google_secret_manager_secret", "google_sql_database")
_MASTERS = ("roles/owner", "roles/editor", "Admin", ".admin")


def email(environment: Environment, account: str) -> str:
    """Return the address of an account of an environment."""
    suffix = "" if environment.name == "production" else f"-{environment.name}"
    return f"kaboom-{account}{suffix}@kaboom-472705.iam.gserviceaccount.com"


def _grants(environment: Environment) -> list[Resource]:
    return [r for r in environment.resources if r["role"] is not None]


def _is_of(resource: Resource, environment: Environment, *accounts: str) -> bool:
    return resource["member"] in {f"serviceAccount:{email(environment, account)}" for account in accounts}


def roles_are_narrow(environment: Environment) -> Iterator[str]:
    """Nobody rules, no binding displaces what others have granted, and little is granted for the whole project."""
    for r in environment.resources:
        if r.type.endswith(("_iam_binding", "_iam_policy")) or r.type.startswith(
            ("google_folder", "google_organization")
        ):
            yield f"{r.address}: grants with more than a member's worth"
    for r in _grants(environment):
        if any(master in r["role"] for master in _MASTERS):
            yield f"{r.address}: {r['role']} rules"
        if r.type.startswith("google_project") and not _is_of(r, environment, *PROJECT_ROLES.get(r["role"], ())):
            yield f"{r.address}: {r['role']} is granted to {r['member']} for the whole project"


def secrets_are_read_one_by_one(environment: Environment) -> Iterator[str]:
    """Each binding names one secret and one account that runs; values stay out of the state."""
    bindings = [r for r in _grants(environment) if r["role"] == _ACCESSOR]
    for r in bindings:
        if r.type != "google_secret_manager_secret_iam_member" or not r["secret_id"]:
            yield f"{r.address}: reads more than one secret"
        if not _is_of(r, environment, *_READERS):
            yield f"{r.address}: {r['member']} reads a secret, and runs nothing"
    pairs = Counter((r["secret_id"], r["member"]) for r in bindings)
    yield from (f"{pair}: is granted twice" for pair, count in pairs.items() if count > 1)
    for r in environment.all("google_secret_manager_secret_version", "google_service_account_key"):
        yield f"{r.address}: its value would lie in the state"


def the_deployer_deploys_and_no_more(environment: Environment) -> Iterator[str]:
    """It changes revisions and attaches two accounts; above all it reads no secret."""
    for r in _grants(environment):
        if _is_of(r, environment, "deployer") and (r.type, r["role"]) not in _DEPLOYER:
            yield f"{r.address}: the deployer has {r['role']}"
        if r["role"] == "roles/iam.serviceAccountUser":
            attached = str(r["service_account_id"]).rsplit("/", 1)[-1]
            if attached not in {email(environment, "api"), email(environment, "worker")}:
                yield f"{r.address}: {attached} may be attached"
    viewed = {r["secret_id"] for r in _grants(environment) if r["role"] == "roles/secretmanager.viewer"}
    for secret in environment.all("google_secret_manager_secret"):
        if secret["secret_id"] not in viewed:
            yield f"{secret.address}: the deployer cannot find its newest version"


def the_auditor_reads_and_no_more(environment: Environment) -> Iterator[str]:
    """It reads both repositories and what is live, and changes nothing."""
    grants = [r for r in _grants(environment) if _is_of(r, environment, "auditor")]
    for r in grants:
        if (r.type, r["role"]) not in _AUDITOR:
            yield f"{r.address}: the auditor has {r['role']}"
    if len(grants) != 3:
        yield f"the auditor reads {len(grants)} things, not two repositories and the revisions"


def redis_is_safe(environment: Environment) -> Iterator[str]:
    """Two nodes in production, TLS, AUTH, nothing evicted, never replaced in passing, upgraded by night."""
    wanted = {
        "tier": "STANDARD_HA" if environment.name == "production" else "BASIC",
        "auth_enabled": True,
        "transit_encryption_mode": "SERVER_AUTHENTICATION",
        "redis_version": "REDIS_7_2",
        "redis_configs": {"maxmemory-policy": "noeviction"},
        "deletion_protection": True,
        "lifecycle": {"prevent_destroy": True},
    }
    instances = environment.all("google_redis_instance")
    if not instances:
        yield "there is no Redis"
    for r in instances:
        yield from (f"{r.address}: {name} is {r[name]}" for name, value in wanted.items() if r[name] != value)
        window = r["maintenance_policy"]["weekly_maintenance_window"]
        # From 15:00 in UTC on it is the next day in Japan; from 23:00 on the market is near.
        if window["day"] not in {"FRIDAY", "SATURDAY"} or not 15 <= window["start_time"]["hours"] < 22:
            yield f"{r.address}: maintenance at {window} in UTC is not in a night before a day without a session"


def nothing_goes_in_passing(environment: Environment) -> Iterator[str]:
    """Deletion protection wherever the provider has it; what others depend on by name is kept, too."""
    schema = load_schema().resources
    for r in environment.resources:
        if "deletion_protection" in schema[r.type].block.arguments and r["deletion_protection"] is not True:
            yield f"{r.address}: deletion_protection is {r['deletion_protection']}"
        if r.type in _KEPT and r["deletion_policy"] != "PREVENT":
            yield f"{r.address}: deletion_policy is {r['deletion_policy']}"
        if r.type in _IRREPLACEABLE and r["lifecycle"] != {"prevent_destroy": True}:
            yield f"{r.address}: lifecycle is {r['lifecycle']}"


def federation_is_closed(environment: Environment) -> Iterator[str]:
    """GitHub's tokens count from one repository, by name and number, and from named branches."""
    providers = environment.all("google_iam_workload_identity_pool_provider")
    if not providers:
        yield "there is no federation"
    for r in providers:
        condition = str(r["attribute_condition"])
        if r["oidc"] != {"issuer_uri": "https://token.actions.githubusercontent.com"}:
            yield f"{r.address}: the issuer is {r['oidc']}"
        if r["workload_identity_pool_provider_id"] == "audit":
            yield from _faults_of_audit(r, condition)
            continue
        parts = condition.split(" && ")
        for claim in ("assertion.repository == '", "assertion.repository_id == '", "(assertion.ref"):
            if not any(part.startswith(claim) for part in parts):
                yield f"{r.address}: the condition says nothing of {claim.strip('( =' + chr(39))}: {condition}"
        if "main" in condition and environment.name != "production":
            yield f"{r.address}: {environment.name} takes the branch of production"


def _faults_of_audit(r: Resource, condition: str) -> Iterator[str]:
    wanted = (
        "assertion.repository == 'me/kaboom' && assertion.repository_id == '123456789' && "
        "assertion.workflow_ref == 'me/kaboom/.github/workflows/audit.yml@refs/heads/main'"
    )
    if condition != wanted:
        yield f"{r.address}: more than the audit of main is the auditor: {condition}"
    if r["attribute_mapping"].keys() != {"google.subject", "attribute.auditor"}:
        yield f"{r.address}: the audit could act as another: {sorted(r['attribute_mapping'])}"


def github_acts_in_its_environment(environment: Environment) -> Iterator[str]:
    """GitHub's jobs act as builder or deployer, and only those of the GitHub environment of the same name.

    Only the audit acts as auditor, in no environment.
    """
    actors = {email(environment, "builder"), email(environment, "deployer")}
    auditors = ("/attribute.auditor/me/kaboom", email(environment, "auditor"))
    for r in _grants(environment):
        if "principal" in r["member"]:
            if r["member"].endswith(auditors[0]) and str(r["service_account_id"]).endswith(f"/{auditors[1]}"):
                continue
            if not r["member"].endswith(f"/attribute.environment/{environment.name}"):
                yield f"{r.address}: {r['member']} is more than the environment {environment.name}"
            if (account := str(r["service_account_id"]).rsplit("/", 1)[-1]) not in actors:
                yield f"{r.address}: GitHub may act as {account}"


def only_the_api_is_public(environment: Environment) -> Iterator[str]:
    """Anybody may call the API, whose own token guards it, and nothing else."""
    for r in _grants(environment):
        if r["member"] in {"allUsers", "allAuthenticatedUsers"}:
            yield f"{r.address}: {r['role']} for {r['member']}"
    for r in environment.all("google_cloud_run_v2_service"):
        is_api = str(r["name"]).startswith("kaboom-api")
        if bool(r["invoker_iam_disabled"]) is not is_api:
            yield f"{r.address}: invoker_iam_disabled is {r['invoker_iam_disabled']}"
        if not is_api and r["ingress"] != "INGRESS_TRAFFIC_INTERNAL_ONLY":
            yield f"{r.address}: ingress is {r['ingress']}"


def the_scheduler_carries_no_secret(environment: Environment) -> Iterator[str]:
    """It calls Google alone, by a token of the moment, in Japan's time."""
    jobs = environment.all("google_cloud_scheduler_job")
    if not jobs:
        yield "there is no second source of the daily ingest"
    for r in jobs:
        target = r["http_target"]
        if {"headers", "body"} & set(target):
            yield f"{r.address}: what it sends lies in the state"
        account = target.get("oauth_token", {}).get("service_account_email")
        if account != email(environment, "scheduler") or not target["uri"].startswith("https://run.googleapis.com/v2/"):
            yield f"{r.address}: calls {target['uri']} as {account}"
        if r["time_zone"] != "Asia/Tokyo":
            yield f"{r.address}: the time zone is {r['time_zone']}"


def costs_are_heard_of(environment: Environment) -> Iterator[str]:
    """A budget is of this project alone, sends mail before the month is over, and to the receivers of alerts."""
    receivers = [r for r in environment.all("google_monitoring_notification_channel") if r["type"] == "email"]
    for r in environment.all("google_billing_budget"):
        if r["budget_filter"].get("projects") != ["projects/657734233816"]:
            yield f"{r.address}: counts {r['budget_filter'].get('projects')}"
        if "FORECASTED_SPEND" not in {rule.get("spend_basis") for rule in r["threshold_rules"]}:
            yield f"{r.address}: sends no mail before the costs are there"
        channels = r.values.get("all_updates_rule", {}).get("monitoring_notification_channels", [])
        if not receivers or len(channels) != len(receivers):
            yield f"{r.address}: {len(channels)} of {len(receivers)} receivers hear of it"
        if not float(r["amount"]["specified_amount"]["units"]) > 0:
            yield f"{r.address}: allows nothing"


def names_fit(environment: Environment) -> Iterator[str]:
    """Names are as long as Google allows, and every value is known before apply but those that Google gives."""
    limits = {"account_id": 30, "workload_identity_pool_id": 32}
    by_type = {"google_redis_instance": ("name", 40), "google_compute_network": ("name", 63)}
    for r in environment.resources:
        for name, most in [*limits.items(), *([by_type[r.type]] if r.type in by_type else [])]:
            if len(str(r[name] or "")) > most:
                yield f"{r.address}: {name} has more than {most} letters"
        if unknown_in(r.values) and not any(computed in r.address for computed in _COMPUTED):
            yield f"{r.address}: holds what cannot be told: {r.values}"


RULES: tuple[Rule, ...] = (
    roles_are_narrow,
    secrets_are_read_one_by_one,
    the_deployer_deploys_and_no_more,
    the_auditor_reads_and_no_more,
    redis_is_safe,
    nothing_goes_in_passing,
    federation_is_closed,
    github_acts_in_its_environment,
    only_the_api_is_public,
    the_scheduler_carries_no_secret,
    costs_are_heard_of,
    *STORE_RULES,
    names_fit,
)


def find_faults(environment: Environment) -> list[str]:
    """Return what all rules find."""
    return [fault for rule in RULES for fault in rule(environment)]


#: What tells resources of one type apart within a project.
_NAMES = (
    "name",
    "secret_id",
    "account_id",
    "repository_id",
    "workload_identity_pool_id",
    "display_name",
    "parameter_id",
)


def shared_names(one: Environment, other: Environment) -> set[tuple[str, str]]:
    """Return the names, with their type, that two environments of a project would both want."""
    return _names(one) & _names(other)


def _names(environment: Environment) -> set[tuple[str, str]]:
    grants = {id(r) for r in _grants(environment)}
    nested = {"google_iam_workload_identity_pool_provider", "google_sql_database", "google_storage_bucket_object"}
    own = (r for r in environment.resources if id(r) not in grants and r.type not in nested)
    return {(r.type, str(r[name])) for r in own for name in _NAMES if r[name]}
