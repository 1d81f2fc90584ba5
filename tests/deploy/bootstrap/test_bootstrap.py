"""infra/bootstrap.sh makes an environment from nothing, goes on after an error, and changes nothing twice."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.deploy.bootstrap.project import PROJECT, Project
from tests.deploy.terraform.environments import WITH_ALL, WITH_BUDGET, environment
from tests.deploy.terraform.policies import PROJECT_ROLES
from tests.deploy.terraform.tree import ENVIRONMENTS
from tests.deploy.workflows.toolbox import on_path
from tests.fixtures.repo.repository import ROOT, load_text
from tests.fixtures.repo.secret_names import FILES, OPTIONAL, kept_variables

#: The role that makes what a type begins with.
NEEDS = {
    "google_artifact_registry_": "artifactregistry.admin",
    "google_cloud_run_": "run.admin",
    "google_cloud_scheduler_": "cloudscheduler.admin",
    "google_compute_": "compute.networkAdmin",
    "google_iam_workload_identity_": "iam.workloadIdentityPoolAdmin",
    "google_logging_": "logging.configWriter",
    "google_monitoring_": "monitoring.editor",
    "google_parameter_manager_": "parametermanager.admin",
    "google_project_iam_": "resourcemanager.projectIamAdmin",
    "google_redis_": "redis.admin",
    "google_secret_manager_": "secretmanager.admin",
    "google_service_account": "iam.serviceAccountAdmin",
    "google_service_networking_": "compute.networkAdmin",
    "google_sql_": "cloudsql.admin",
    "google_storage_": "storage.admin",
}
ADMIN = {*NEEDS.values(), "iam.serviceAccountUser"} - {"resourcemanager.projectIamAdmin"}
PLANNER = ("viewer", "iam.securityReviewer", "parametermanager.parameterViewer")
INFLUXDB = {"influxdb-host", "influxdb-token", "influxdb-org"}
SCRIPT, PAGE = "infra/bootstrap.sh", "docs/operations/deploy.md"
VALUES = {
    "ALERT_EMAIL": "oncall@example.com",
    "DATABASE_URL": "postgresql://kaboom_a:p@10.0.0.5/kaboom",
    "INFLUXDB_HOST": "https://influx.example.com",
    "INFLUXDB_TOKEN": "token",
    "INFLUXDB_ORG": "kaboom",
    "STAGING_PROJECT": PROJECT,
}


#: Who names no servers gets a database that Terraform makes, and bars in it.
NO_SERVERS = {"ALERT_EMAIL": "oncall@example.com", "STAGING_PROJECT": PROJECT}


def copy(folder: Path) -> Path:
    """Return a copy of what the script uses, in which it may write."""
    shutil.copytree(ROOT / "infra", folder / "clone/infra")
    return folder / "clone"


def bootstrap(
    project: Project, *arguments: str, values: Mapping[str, str] = VALUES
) -> "subprocess.CompletedProcess[str]":
    """Run the script with fakes of gcloud, gh and terraform before all other programs."""
    programs = project.root / f"bin{len(list(project.root.glob('bin*')))}"
    with on_path(project, programs, ("gcloud", "gh", "terraform")) as path:
        env = {
            "PATH": f"{path}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(project.root),
            "RETRY_PAUSE_S": "0",
            **values,
        }
        argv = [str(project.root / SCRIPT), *(arguments or (PROJECT, "production"))]
        return subprocess.run(
            argv, env=env, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL
        )


def made_of(project: Project) -> tuple[object, ...]:
    """Return what there is, the values of generated secrets left out."""
    return (project.apis, project.made, project.grants, {n: len(v) for n, v in project.secrets.items()},
            project.variables, project.applied)  # fmt: skip


def is_whole(project: Project, environment: str = "production") -> None:
    """Fail unless an environment has all that a release needs."""
    suffix, prefix = ("", "") if environment == "production" else ("-staging", "staging-")
    assert project.applied == environment
    assert set(project.secrets) == {f"{prefix}{name}" for name in (*kept_variables(), *FILES)}
    of_influxdb = INFLUXDB if project.secrets[f"{prefix}influxdb-host"] else set()
    assert {name for name, versions in project.secrets.items() if len(versions) != 1} == {
        f"{prefix}{name}" for name in OPTIONAL - of_influxdb
    }
    assert project.variables.get((environment, "BAR_STORE")) == ("auto" if of_influxdb else None)
    url = "rediss://:auth-string@10.0.0.3:6378/0?ssl_ca_certs=/etc/kaboom/redis/ca.pem&ssl_check_hostname=false"
    assert project.secrets[f"{prefix}redis-url"] == [url]
    assert stores_of(project, prefix) == stores_wanted(project)
    assert project.secrets[f"{prefix}webhook-secret"][0].startswith("whsec_")
    assert project.variables[environment, "PROVIDER"] == "synthetic"
    assert project.variables[environment, "PROJECT_ID"] == PROJECT
    account = f"kaboom-terraform{suffix}@{PROJECT}.iam.gserviceaccount.com"
    assert project.variables[f"terraform-{environment}", "TERRAFORM_ACCOUNT"] == account
    assert project.variables[environment, "DATA_BUCKET"] == f"{PROJECT}-kaboom{suffix}"
    planner = f"kaboom-planner{suffix}@{PROJECT}.iam.gserviceaccount.com"
    roles = {f"roles/{role}" for role in (*PLANNER, *ADMIN, "resourcemanager.projectIamAdmin", "storage.objectViewer")}
    roles |= {"roles/iam.workloadIdentityUser"}
    of_planner = {role for _, role, member in project.grants if member == f"serviceAccount:{planner}"}
    assert of_planner == {f"roles/{role}" for role in (*PLANNER, "storage.objectViewer")}
    assert project.may_grant == set(PROJECT_ROLES)
    reviewers = {"staging": [], "production": [1], "terraform-staging": [1], "terraform-production": [1]}
    assert project.reviewers.items() <= reviewers.items()
    if environment == "production":
        roles |= {"roles/artifactregistry.reader"}
        builder = f"serviceAccount:kaboom-builder@{PROJECT}.iam.gserviceaccount.com"
        assert ("kaboom-api-staging", "roles/artifactregistry.reader", builder) in project.grants
        assert project.variables.get(("production", "STAGING_PROJECT_ID")) == PROJECT
    assert {role for _, role, _ in project.grants} == roles
    assert f"branch of {environment}: {'main' if environment == 'production' else 'release/*'}" in project.made
    assert f"branch of terraform-{environment}: main" in project.made


def stores_of(project: Project, prefix: str) -> dict[str, str]:
    """Return what the secrets say of database and InfluxDB."""
    names = ("database-url", *INFLUXDB)
    return {name: found[0] for name in names if (found := project.secrets[f"{prefix}{name}"])}


def stores_wanted(project: Project) -> dict[str, str]:
    """Return what they should say: the addresses that a person has named, or those of what Terraform has made."""
    named = ("database-url", *INFLUXDB)
    wanted = {secret: VALUES[secret.upper().replace("-", "_")] for secret in named}
    if "database" in project.servers:
        password = project.passwords["kaboom_a"]
        assert len(password) == 64
        assert project.passwords["kaboom_b"] == ""
        assert not any(password in command for command in project.journal)
        wanted["database-url"] = f"postgresql://kaboom_a:{password}@10.64.0.3/kaboom?sslmode=require"
        wanted = {"database-url": wanted["database-url"]}
    return wanted


def make_twice(project: Project, values: Mapping[str, str] = VALUES) -> None:
    """Fail unless the script makes an environment, and changes nothing where it runs again."""
    done = bootstrap(project, values=values)
    assert done.returncode == 0, done.stderr
    is_whole(project)
    before, passwords = made_of(project), dict(project.passwords)
    again = bootstrap(project, values=values)
    assert again.returncode == 0, again.stderr
    assert made_of(project) == before
    assert project.passwords == passwords


def test_an_environment_is_made_from_nothing_and_changed_by_nothing(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    make_twice(project)
    assert project.servers == set()
    assert project.passwords == {}


def test_servers_that_nobody_names_are_made(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    make_twice(project, NO_SERVERS)
    assert project.servers == {"database"}


def test_accounts_that_google_does_not_know_yet_are_waited_for(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    project.sleepy = 3
    make_twice(project, NO_SERVERS)
    refused = [n for n, command in enumerate(project.journal) if "sql import" in command]
    assert len(refused) == 4


def test_an_account_that_never_comes_ends_the_script(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    project.sleepy = 99
    done = bootstrap(project)
    assert done.returncode != 0
    assert "try 8 of 8 failed" in done.stderr
    assert project.applied == ""


def test_production_asks_for_the_project_of_staging(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    done = bootstrap(project, values={"ALERT_EMAIL": "oncall@example.com"})
    assert (done.returncode, project.journal) == (1, [])
    assert "STAGING_PROJECT: the project of staging, best another one" in done.stderr


def test_a_plan_of_github_without_reviewers_is_said_before_google_is_changed(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    project.plan_lacks_reviewers = True
    done = bootstrap(project)
    assert done.returncode == 1
    assert "a private repository needs GitHub Enterprise for reviewers" in done.stderr
    assert not any(command.startswith("gcloud") for command in project.journal)


def test_reviewers_may_be_named(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    assert bootstrap(project, values=VALUES | {"REVIEWERS": "hubot octocat"}).returncode == 0
    assert project.reviewers == {"production": [2, 1], "terraform-production": [2, 1]}


def test_terraform_may_do_what_it_has_to_and_rules_nothing() -> None:
    """Each type of resource has a role that makes it, and each role a type."""
    types = {r.type for name in ENVIRONMENTS for r in environment(name, WITH_ALL + WITH_BUDGET).resources}
    needed = {role for prefix, role in NEEDS.items() if any(t.startswith(prefix) for t in types)}
    assert {t for t in types if not t.startswith(tuple(NEEDS))} == {"google_billing_budget"}
    # To attach accounts to what runs.
    assert needed | {"iam.serviceAccountUser", "resourcemanager.projectIamAdmin"} == {
        *ADMIN,
        "resourcemanager.projectIamAdmin",
    }


def test_a_server_that_is_made_is_not_named_too(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    assert bootstrap(project, values=NO_SERVERS).returncode == 0
    done = bootstrap(project, values=NO_SERVERS | {"DATABASE_URL": VALUES["DATABASE_URL"]})
    assert done.returncode == 1
    assert "take make_database out, or unset DATABASE_URL" in done.stderr


def test_a_password_in_use_is_not_replaced_where_google_does_not_answer(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    assert bootstrap(project, values=NO_SERVERS).returncode == 0
    project.hidden, before = "database-url", dict(project.passwords)
    assert bootstrap(project, values=NO_SERVERS).returncode != 0
    assert project.passwords == before


def test_a_clone_without_the_file_makes_no_second_server(tmp_path: Path) -> None:
    """The file that says whose project it is was not committed; the secrets have their values."""
    project = Project(copy(tmp_path))
    assert bootstrap(project).returncode == 0
    (project.root / "infra/terraform/production.project.tfvars").unlink()
    assert bootstrap(project, values=NO_SERVERS).returncode == 0
    assert project.servers == set()


def test_staging_has_its_own_names(tmp_path: Path) -> None:
    project = Project(copy(tmp_path), staging="")
    done = bootstrap(project, PROJECT, "staging")
    assert done.returncode == 0, done.stderr
    is_whole(project, "staging")


def test_production_may_have_real_data_and_staging_makes_them_up(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    values = VALUES | {"PROVIDER": "jquants", "JQUANTS_API_KEY": "key-of-the-house", "SUPABASE_JWT_SECRET": "legacy"}
    assert bootstrap(project, values=values).returncode == 0
    assert project.secrets["jquants-api-key"] == ["key-of-the-house"]
    assert project.secrets["supabase-jwt-secret"] == ["legacy"]
    assert project.variables["production", "PROVIDER"] == "jquants"
    assert bootstrap(project, PROJECT, "staging", values=values).returncode == 0
    assert project.variables["staging", "PROVIDER"] == "synthetic"


def test_production_without_staging_changes_nothing(tmp_path: Path) -> None:
    project = Project(copy(tmp_path), staging="kaboom-other")
    done = bootstrap(project)
    assert (done.returncode, project.journal) == (1, [])
    assert f"{PROJECT} has no staging in asia-northeast1: make it first" in done.stderr


def test_staging_may_be_in_another_project(tmp_path: Path) -> None:
    project = Project(copy(tmp_path), staging="kaboom-other")
    done = bootstrap(project, values=VALUES | {"STAGING_PROJECT": "kaboom-other"})
    assert done.returncode == 0, done.stderr
    assert project.variables["production", "STAGING_PROJECT_ID"] == "kaboom-other"


def test_another_region_is_used_throughout(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    done = bootstrap(project, values=VALUES | {"REGION": "asia-northeast2"})
    assert done.returncode == 0, done.stderr
    is_whole(project)
    assert project.region == "asia-northeast2"


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    done = bootstrap(project, PROJECT, "production", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert project.journal == []
    assert not (project.root / "infra/terraform/production.project.tfvars").exists()
    assert "would run: gcloud services enable" in done.stderr
    assert "make_database" not in done.stderr


def test_a_dry_run_says_which_servers_it_would_make(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    done = bootstrap(project, PROJECT, "production", "--dry-run", values=NO_SERVERS)
    assert done.returncode == 0, done.stderr
    assert project.journal == []
    assert "would write to production.project.tfvars: make_database = true" in done.stderr
    assert "would run: terraform -chdir=infra/terraform providers lock" in done.stderr
    assert not list((project.root / "infra/terraform").glob("*.project.tfvars*"))
    assert "would add a version of database-url" in done.stderr


@pytest.mark.parametrize("fails_at", [1, 6, 8, 28, 35, 45])
def test_a_second_run_continues_at_the_failed_step(fails_at: int, tmp_path: Path) -> None:
    go_on(Project(copy(tmp_path)), fails_at, VALUES)


#: The lock, `apply`, the password, and three versions.
@pytest.mark.parametrize("fails_at", [33, 35, 38, 39, 41, 45])
def test_a_second_run_completes_the_creation_of_servers(fails_at: int, tmp_path: Path) -> None:
    go_on(Project(copy(tmp_path)), fails_at, NO_SERVERS)


def go_on(project: Project, fails_at: int, values: Mapping[str, str]) -> None:
    """Fail unless a second run completes what the first did not."""
    project.fails_at = fails_at
    assert bootstrap(project, values=values).returncode != 0
    done = bootstrap(project, values=values)
    assert done.returncode == 0, done.stderr
    is_whole(project)


def test_a_value_that_only_a_person_knows_is_asked_for(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    values = {name: value for name, value in VALUES.items() if name not in {"INFLUXDB_TOKEN", "INFLUXDB_ORG"}}
    done = bootstrap(project, values=values)
    assert done.returncode == 1
    assert "no value yet" in done.stderr
    assert done.stderr.strip().endswith("by hand: influxdb-token influxdb-org")
    assert bootstrap(project).returncode == 0
    is_whole(project)


def test_another_project_is_not_mixed_with_the_first(tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    path = project.root / "infra/terraform/production.project.tfvars"
    path.write_text('project_id = "another"\n', encoding="utf-8")
    done = bootstrap(project)
    assert done.returncode == 1
    assert "is of another project" in done.stderr
    assert project.applied == ""


def test_who_has_no_rights_changes_nothing_of_google(tmp_path: Path) -> None:
    project = Project(copy(tmp_path), owner=False)
    assert "PERMISSION_DENIED" in bootstrap(project).stderr
    assert (project.apis, project.grants, project.secrets, project.applied) == (set(), set(), {}, "")
    assert not any(command.startswith("gcloud") for command in project.journal)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sqladmin.googleapis.com ", ""),
        ("--public-access-prevention", "--no-public-access"),
        ("there gcloud storage buckets describe", "true || gcloud storage buckets describe"),
        ("|| change gcloud storage buckets create", "; change gcloud storage buckets create"),
        ("artifactregistry.admin cloudscheduler.admin", "owner cloudscheduler.admin"),
        ("'roles/run.viewer']", "'roles/run.viewer', 'roles/owner']"),
        (".hasOnly(", ".hasAny("),
        ("for role in viewer iam", "for role in editor iam"),
        ("attribute.planner=assertion.repository_id", "attribute.environment=assertion.environment"),
        (" && assertion.ref == 'refs/heads/main'", ""),
        ('environment "terraform-$environment" main "$reviewers"', 'environment "terraform-$environment" main "[]"'),
        ("-platform=linux_arm64", "-platform=linux_amd64"),
        ('"roles/$role" None', '"roles/$role" ""'),
        ("== '$repository_id' &&", "!= '0' &&"),
        ('change infra/deploy/terraform-init.sh "$environment"\n', ""),
        ('-var-file="$environment.project.tfvars"', '-var-file="$environment.tfvars"'),
        ("secret webhook-secret", "secret web-hook-secret"),
        ("${address%%[[:space:]]*}", "$address"),
        ("--data-file=- >&2", "--data-file=/dev/null >&2"),
        ('make_environment "terraform-$environment" main "$reviewers"\n', ""),
        ("--input - <<<", "--field x <<<"),
        ("--role=roles/artifactregistry.reader", "--role=roles/artifactregistry.writer"),
        ("serviceAccount:kaboom-builder@", "serviceAccount:kaboom-deployer@"),
        ("retry gcloud artifacts repositories", "true gcloud artifacts repositories"),
        ('variable production STAGING_PROJECT_ID "$staging_project"', "true"),
        ("kaboom-api-staging --location=$region", "kaboom-api-staging --location=us-east1"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(old: str, new: str, tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    plant(project, old, new)
    with pytest.raises(AssertionError):
        make_twice(project)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("lacks_server database-url", "! lacks_server database-url"),
        ("retry gcloud sql import sql", "true gcloud sql import sql"),
        ("--database=kaboom --user=postgres", "--database=kaboom"),
        (".DATA_BUCKET)/database/roles.sql", ".PROJECT_ID)/database/roles.sql"),
        ("set-password kaboom_a", "set-password kaboom"),
        ("--flags-file=/dev/stdin", '--password="$password"'),
        ('[ "$has_url" = false ]', "true"),
        ("/kaboom?sslmode=require", "/kaboom"),
        ("kaboom_a:$password@", "kaboom_b:$password@"),
        ('if [ -n "${INFLUXDB_HOST:-}" ]; then variable', "if true; then variable"),
    ],
)  # fmt: skip
def test_a_fault_in_making_servers_is_found(old: str, new: str, tmp_path: Path) -> None:
    project = Project(copy(tmp_path))
    plant(project, old, new)
    with pytest.raises(AssertionError):
        make_twice(project, NO_SERVERS)


def plant(project: Project, old: str, new: str) -> None:
    """Change the script of a clone."""
    path = project.root / SCRIPT
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(" \\\n  " + old, " \\\n  " + new).replace(old, new), encoding="utf-8")


def first_day(page: str) -> tuple[list[str], set[str]]:
    """Return the commands of the page's section "From nothing", and the values that a person has to put in."""
    (section,) = re.findall(r"^## From nothing\n(.*?)^## ", page, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"```bash\n(.*?)```", section, re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    code = [line for line in lines if line.strip() and not line.startswith("#")]
    commands = [part for line in code if not line.startswith("export ") for part in line.split(" && ")]
    return commands, set(re.findall(r"…|\b[A-Z][A-Z_]+(?==…)|<[a-z-]+>", "\n".join(code))) - {"…"}


def test_day_one_is_five_commands_and_eight_values() -> None:
    commands, values = first_day(load_text(PAGE))
    assert 3 <= len(commands) <= 5, commands
    assert {"ALERT_EMAIL", "DATABASE_URL", "STAGING_PROJECT"} <= values
    assert len(values) <= 8, values
    assert any(command.startswith("infra/bootstrap.sh ") for command in commands)
    assert any(command.startswith("git push") for command in commands)


@pytest.mark.parametrize("more", ["gcloud services enable run.googleapis.com", "make x && make y && make z"])
def test_a_page_that_asks_for_more_is_found(more: str) -> None:
    page = load_text(PAGE).replace("\ngit commit", f"\n{more}\n{more} again\ngit commit", 1)
    assert len(first_day(page)[0]) > 5


def test_a_page_that_asks_for_more_values_is_found() -> None:
    page = load_text(PAGE).replace("export ", "export ONE=… TWO=… THREE=… FOUR=…\nexport ", 1)
    assert len(first_day(page)[1]) > 8
