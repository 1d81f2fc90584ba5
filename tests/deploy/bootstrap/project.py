"""What infra/bootstrap.sh finds: an empty project and a repository, and gcloud, gh and terraform that change them.

They refuse a command line that their references do not list, an order that Google or GitHub would refuse, and a caller
without the right to it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.deploy.workflows.commands import ANY, Command, UsageError, read
from tests.fixtures.repo.secret_names import FILES, kept_variables

PROJECT, NUMBER, REPOSITORY = "kaboom-new", "123456789012", "me/kaboom"
#: gcloud: https://docs.cloud.google.com/sdk/gcloud/reference; gh: https://cli.github.com/manual;
#: terraform: https://developer.hashicorp.com/terraform/cli/commands
KNOWN: Mapping[str, tuple[int, str]] = {
    "gcloud projects describe": (1, "--format="),
    "gcloud projects add-iam-policy-binding": (1, "--member= --role= --condition="),
    "gcloud services enable": (ANY, ""),
    "gcloud artifacts repositories describe": (1, "--location= --project="),
    "gcloud artifacts repositories add-iam-policy-binding": (1, "--location= --project= --member= --role="),
    "gcloud storage buckets describe": (1, ""),
    "gcloud storage buckets create": (1, "--location= --uniform-bucket-level-access --public-access-prevention"),
    "gcloud storage buckets update": (1, "--versioning"),
    "gcloud iam service-accounts describe": (1, ""),
    "gcloud iam service-accounts create": (1, "--display-name="),
    "gcloud iam service-accounts add-iam-policy-binding": (1, "--member= --role="),
    "gcloud iam workload-identity-pools describe": (1, "--location="),
    "gcloud iam workload-identity-pools create": (1, "--location="),
    "gcloud iam workload-identity-pools providers describe": (1, "--location= --workload-identity-pool="),
    "gcloud iam workload-identity-pools providers create-oidc": (
        1,
        "--location= --workload-identity-pool= --issuer-uri= --attribute-mapping= --attribute-condition=",
    ),
    "gcloud secrets versions list": (1, "--format="),
    "gcloud secrets versions add": (1, "--data-file="),
    "gcloud storage buckets add-iam-policy-binding": (1, "--member= --role="),
    "gcloud sql import sql": (2, "--database= --user="),
    "gcloud sql users set-password": (1, "--instance= --flags-file="),
    "gcloud redis instances describe": (1, "--region= --format="),
    "gcloud redis instances get-auth-string": (1, "--region= --format="),
    "gh repo view": (0, "--json= --jq="),
    "gh api": (1, "--method= --jq= --input= -f="),
    "gh variable set": (1, "--env= --body="),
    "terraform providers lock": (0, "-platform="),
    "terraform init": (0, "-reconfigure -input= -backend-config="),
    "terraform apply": (0, "-var-file="),
    "terraform output": (1, "-json"),
}
#: The APIs without which a step is refused.
_NEEDED = {"iam", "secretmanager", "redis", "run", "sqladmin", "servicenetworking", "sts", "monitoring"}
_READS = re.compile(r"^(gcloud \S+( \S+)* (describe|list|get-auth-string)|gh repo view|terraform output)( |$)")


def _expression(condition: str) -> str:
    """Return the expression of `^#^title=…#expression=…`, as `gcloud topic escaping` reads it."""
    found = re.fullmatch(r"\^#\^title=[\w-]+#expression=(.+)", condition, re.DOTALL)
    granted = r"api\.getAttribute\('iam\.googleapis\.com/modifiedGrantsByRole', \[\]\)\.hasOnly\(\[[^\]]+\]\)"
    if not found or not re.fullmatch(granted, found[1]):
        raise RefusedError(f"INVALID_ARGUMENT: condition {condition}")
    return found[1]


class RefusedError(Exception):
    """What Google, GitHub or Terraform would answer no to."""


class Project:
    """A project and a repository, and what has been made of them."""

    def __init__(self, root: Path, *, owner: bool = True, staging: str = PROJECT) -> None:
        self.root, self.owner = root, owner
        self.apis: set[str] = set()
        #: What is there; staging's repository in whatever region.
        self.made: set[str] = {f"repository kaboom-api-staging of {staging}"} if staging else set()
        self.grants: set[tuple[str, str, str]] = set()
        self.secrets: dict[str, list[str]] = {}
        self.variables: dict[tuple[str, str], str] = {}
        self.state: tuple[str, ...] = ()
        self.applied = self.region = ""
        #: Which servers Terraform has made, and the passwords of the database's roles.
        self.servers: set[str] = set()
        self.passwords: dict[str, str] = {}
        #: How often a binding of a new account, and an import, are refused before Google knows of the account.
        self.unknown: dict[str, int] = {}
        self.sleepy = 0
        self.may_grant: set[str] = set()
        self.reviewers: dict[str, list[int]] = {}
        #: What GitHub says to an environment with reviewers on a plan that has none.
        self.plan_lacks_reviewers = False
        #: A secret whose versions cannot be listed at the moment.
        self.hidden = ""
        #: The changes, in their order, and the one that fails, once, counted from 0.
        self.journal: list[str] = []
        self.fails_at: int | None = None

    def run(self, argv: Sequence[str], env: Mapping[str, str]) -> tuple[int, str, str]:
        """Play a program: exit code, stdout, stderr."""
        words = [word for word in argv if not word.startswith("-chdir=")]
        try:
            command = read(words, KNOWN)
            self._note(command, words, env)
            name = command.verb.replace(" ", "_").replace("-", "_")
            return 0, getattr(self, name)(command, env.get("STDIN", "")), ""
        except UsageError as e:
            return 2, "", f"ERROR: {e}\n"
        except RefusedError as e:
            return 1, "", f"ERROR: {e}\n"

    def _note(self, command: Command, words: Sequence[str], env: Mapping[str, str]) -> None:
        if env.get("CLOUDSDK_CORE_PROJECT") != PROJECT:
            raise RefusedError("no project is set")
        if _READS.match(command.verb) or (command.verb == "gh api" and "--method" not in command.flags):
            return
        if command.verb.startswith("gcloud") and not self.owner:
            raise RefusedError(f"PERMISSION_DENIED: {command.verb}")
        self.journal.append(" ".join(words))
        if self.fails_at == len(self.journal) - 1:
            self.fails_at = None
            raise RefusedError("the network is away")

    def _need(self, *apis: str) -> None:
        if missing := set(apis) - self.apis:
            raise RefusedError(f"SERVICE_DISABLED: {sorted(missing)}")

    def _make(self, thing: str) -> str:
        if thing in self.made:
            raise RefusedError(f"ALREADY_EXISTS: {thing}")
        self.made.add(thing)
        return ""

    def _find(self, thing: str) -> str:
        if thing not in self.made:
            raise RefusedError(f"NOT_FOUND: {thing}")
        return ""

    def gcloud_projects_describe(self, command: Command, _: str) -> str:
        if command.arguments != (PROJECT,):
            raise RefusedError("NOT_FOUND")
        return f"{NUMBER}\n"

    def gcloud_projects_add_iam_policy_binding(self, command: Command, _: str) -> str:
        self._find(f"account {command.flag('--member').removeprefix('serviceAccount:')}")
        # With conditions in a policy gcloud asks for one, and may not ask.
        role, condition = command.flag("--role"), command.flag("--condition")
        if role == "roles/resourcemanager.projectIamAdmin":
            self.may_grant = set(re.findall(r"'(roles/[^']+)'", _expression(condition)))
        elif condition != "None":
            raise RefusedError("a condition must be named")
        self._be_sleepy(command.flag("--member").removeprefix("serviceAccount:"))
        self.grants.add((command.arguments[0], role, command.flag("--member")))
        return ""

    def _be_sleepy(self, account: str) -> None:
        """Refuse what names an account that not all of Google knows yet."""
        if self.unknown.get(account, self.sleepy) > 0:
            self.unknown[account] = self.unknown.get(account, self.sleepy) - 1
            raise RefusedError(f"INVALID_ARGUMENT: Service account {account} does not exist")

    def gcloud_storage_buckets_add_iam_policy_binding(self, command: Command, _: str) -> str:
        self._find(command.arguments[0])
        self._be_sleepy(command.flag("--member").removeprefix("serviceAccount:"))
        self.grants.add((command.arguments[0], command.flag("--role"), command.flag("--member")))
        return ""

    def terraform_providers_lock(self, command: Command, _: str) -> str:
        path = self.root / "infra/terraform/.terraform.lock.hcl"
        if set(command.flags["-platform"]) != {"linux_amd64", "linux_arm64", "darwin_arm64"}:
            raise RefusedError("the lock is of other machines")
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('8.7"\n}', '8.7"\n  hashes = ["zh:0"]\n}'), encoding="utf-8")
        return ""

    def gcloud_services_enable(self, command: Command, _: str) -> str:
        if odd := [api for api in command.arguments if not api.endswith(".googleapis.com")]:
            raise RefusedError(f"no services: {odd}")
        self.apis |= {api.removesuffix(".googleapis.com") for api in command.arguments}
        return ""

    def gcloud_artifacts_repositories_describe(self, command: Command, _: str) -> str:
        return self._find(f"repository {command.arguments[0]} of {command.flag('--project')}")

    def gcloud_artifacts_repositories_add_iam_policy_binding(self, command: Command, given: str) -> str:
        self.gcloud_artifacts_repositories_describe(command, given)
        if not self.applied or command.flag("--location") != self.region:
            raise RefusedError("INVALID_ARGUMENT: the account does not exist, or the repository is elsewhere")
        self._be_sleepy(command.flag("--member").removeprefix("serviceAccount:"))
        self.grants.add((command.arguments[0], command.flag("--role"), command.flag("--member")))
        return ""

    def gcloud_storage_buckets_describe(self, command: Command, _: str) -> str:
        return self._find(command.arguments[0])

    def gcloud_storage_buckets_create(self, command: Command, _: str) -> str:
        return self._make(command.arguments[0])

    def gcloud_storage_buckets_update(self, command: Command, _: str) -> str:
        return self._find(command.arguments[0])

    def gcloud_iam_service_accounts_describe(self, command: Command, _: str) -> str:
        return self._find(f"account {command.arguments[0]}")

    def gcloud_iam_service_accounts_create(self, command: Command, _: str) -> str:
        self._need("iam")
        if not re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", command.arguments[0]):
            raise RefusedError("INVALID_ARGUMENT: account")
        return self._make(f"account {command.arguments[0]}@{PROJECT}.iam.gserviceaccount.com")

    def gcloud_iam_service_accounts_add_iam_policy_binding(self, command: Command, _: str) -> str:
        self._find(f"account {command.arguments[0]}")
        found = re.search(r"/projects/(\d+)/.*/workloadIdentityPools/([^/]+)/", command.flag("--member"))
        if not found or found[1] != NUMBER:
            raise RefusedError("INVALID_ARGUMENT: member")
        self._find(f"pool {found[2]}")
        self._be_sleepy(command.arguments[0])
        self.grants.add((command.arguments[0], command.flag("--role"), command.flag("--member")))
        return ""

    def gcloud_iam_workload_identity_pools_describe(self, command: Command, _: str) -> str:
        return self._find(f"pool {command.arguments[0]}")

    def gcloud_iam_workload_identity_pools_create(self, command: Command, _: str) -> str:
        self._need("iam", "sts")
        return self._make(f"pool {command.arguments[0]}")

    def gcloud_iam_workload_identity_pools_providers_describe(self, command: Command, _: str) -> str:
        return self._find(f"provider {command.flag('--workload-identity-pool')}/{command.arguments[0]}")

    def gcloud_iam_workload_identity_pools_providers_create_oidc(self, command: Command, _: str) -> str:
        pool = command.flag("--workload-identity-pool")
        self._find(f"pool {pool}")
        mapped = command.flag("--attribute-mapping")
        if ("planner" in mapped) == ("environment" in mapped):
            raise RefusedError("one that plans could apply")
        if "environment" in mapped and "assertion.ref == 'refs/heads/main'" not in command.flag(
            "--attribute-condition"
        ):
            raise RefusedError("any branch could apply")
        if "assertion.repository_id == '987'" not in command.flag("--attribute-condition"):
            raise RefusedError("the provider takes tokens of any repository")
        return self._make(f"provider {pool}/{command.arguments[0]}")

    def gcloud_secrets_versions_list(self, command: Command, _: str) -> str:
        if command.arguments[0] not in self.secrets:
            raise RefusedError("NOT_FOUND: secret")
        if command.arguments[0] == self.hidden:
            raise RefusedError("the network is away")
        if command.flag("--format") != "json":
            raise UsageError("--format")
        return json.dumps([{"state": "ENABLED"} for _ in self.secrets[command.arguments[0]]])

    def gcloud_secrets_versions_add(self, command: Command, given: str) -> str:
        if command.arguments[0] not in self.secrets or command.flag("--data-file") != "-":
            raise RefusedError("NOT_FOUND: secret")
        if not given:
            raise RefusedError("INVALID_ARGUMENT: an empty value")
        self.secrets[command.arguments[0]].append(given)
        return ""

    def gcloud_redis_instances_describe(self, command: Command, _: str) -> str:
        self._applied(command)
        ca = json.dumps({"serverCaCerts": [{"cert": "-----BEGIN CERTIFICATE-----"}]})
        return {"value(host,port)": "10.0.0.3\t6378\n", "json": ca}[command.flag("--format")]

    def gcloud_redis_instances_get_auth_string(self, command: Command, _: str) -> str:
        self._applied(command)
        return "auth-string\n"

    def _applied(self, command: Command) -> None:
        name = "redis-asia-northeast1" + ("" if self.applied == "production" else f"-{self.applied}")
        if not self.applied or command.arguments != (name,) or command.flag("--region") != self.region:
            raise RefusedError(f"NOT_FOUND: {command.arguments}")

    def terraform_init(self, command: Command, _: str) -> str:
        bucket, prefix = command.flags["-backend-config"]
        self._find(f"gs://{bucket.removeprefix('bucket=')}")
        self.state = (bucket, prefix)
        return ""

    def terraform_apply(self, command: Command, _: str) -> str:
        own, project = command.flags["-var-file"]
        environment = own.removesuffix(".tfvars")
        if self.state != (f"bucket={PROJECT}-terraform", f"prefix={environment}"):
            raise RefusedError(f"Backend initialization required, or of another environment: {self.state}")
        self._need(*_NEEDED)
        given = (self.root / "infra/terraform" / project).read_text(encoding="utf-8")
        wanted = {"project_id", "project_number", "github_repository", "github_repository_id", "alert_emails"}
        if missing := wanted - set(re.findall(r"^(\w+) =", given, re.MULTILINE)):
            raise RefusedError(f"No value for required variable: {missing}")
        self.applied, self.region = environment, re.findall(r'^region = "(.*)"', given, re.MULTILINE)[0]
        self.servers = set(re.findall(r"^make_(\w+) = true$", given, re.MULTILINE))
        if '"zh:' not in (self.root / "infra/terraform/.terraform.lock.hcl").read_text(encoding="utf-8"):
            raise RefusedError("no checksum of the provider")
        prefix = "" if environment == "production" else f"{environment}-"
        for secret in (*kept_variables(), *FILES):
            self.secrets.setdefault(f"{prefix}{secret}", [])
        return ""

    def terraform_output(self, command: Command, _: str) -> str:
        there = "database" in self.servers
        database = (
            {"name": f"kaboom{self.suffix}", "address": "10.64.0.3"} if there else {"name": None, "address": None}
        )
        outputs = {
            "github_variables": {"PROJECT_ID": PROJECT, "WORKER_KIND": "service", "DATA_BUCKET": self.bucket},
            "database": database,
        }
        if not self.applied or command.arguments[0] not in outputs:
            raise RefusedError("Output not found")
        return json.dumps(outputs[command.arguments[0]])

    @property
    def suffix(self) -> str:
        """What the names of the environment end with."""
        return "" if self.applied == "production" else f"-{self.applied}"

    @property
    def bucket(self) -> str:
        """The name of the bucket that Terraform makes."""
        return f"{PROJECT}-kaboom{self.suffix}"

    def _database(self, name: str) -> None:
        if "database" not in self.servers or name != f"kaboom{self.suffix}":
            raise RefusedError(f"NOT_FOUND: instance {name}")

    def gcloud_sql_import_sql(self, command: Command, _: str) -> str:
        instance, uri = command.arguments
        self._database(instance)
        if uri != f"gs://{self.bucket}/database/roles.sql" or command.flag("--database") != "kaboom":
            raise RefusedError(f"NOT_FOUND: {uri}")
        if command.flag("--user") != "postgres":
            raise RefusedError("permission denied to create role")
        self._be_sleepy("the server's own account")
        # It may run again.
        self.passwords = {"kaboom_a": "", "kaboom_b": "", **self.passwords}
        return ""

    def gcloud_sql_users_set_password(self, command: Command, given: str) -> str:
        self._database(command.flag("--instance"))
        found = re.fullmatch(r"--password: '(\w{32,})'\n?", given)
        if command.arguments[0] not in self.passwords or not found:
            raise RefusedError(f"INVALID_ARGUMENT: {command.arguments[0]}")
        self.passwords[command.arguments[0]] = found[1]
        return ""

    def gh_repo_view(self, command: Command, _: str) -> str:
        return f"{REPOSITORY}\n"

    def gh_variable_set(self, command: Command, _: str) -> str:
        self._find(f"environment {command.flag('--env')}")
        self.variables[command.flag("--env"), command.arguments[0]] = command.flag("--body")
        return ""

    def gh_api(self, command: Command, given: str) -> str:
        asked = command.arguments[0]
        known = {"user": "octocat", "users/octocat": "1", "users/hubot": "2", f"repos/{REPOSITORY}": "987"}
        if asked in known:
            return f"{known[asked]}\n"
        path = asked.removeprefix(f"repos/{REPOSITORY}").strip("/")
        method, (kind, name, *rest) = command.flag("--method") or "GET", [*path.split("/"), "", ""][:3]
        if kind != "environments":
            raise RefusedError("404")
        if not rest[0]:
            if method == "PUT" and "custom_branch_policies" not in given:
                raise RefusedError("422: every branch could deploy")
            return self._find(f"environment {name}") if method == "GET" else self._make_environment(name, given)
        self._find(f"environment {name}")
        branches = f"branch of {name}: "
        if method == "POST":
            return self._make(branches + command.flag("-f").removeprefix("name="))
        return "".join(f"{m.removeprefix(branches)}\n" for m in sorted(self.made) if m.startswith(branches))

    def _make_environment(self, name: str, given: str) -> str:
        reviewers = json.loads(given)["reviewers"]
        if reviewers and self.plan_lacks_reviewers:
            raise RefusedError("422: Failed to create the environment protection rule")
        self.reviewers[name] = [each["id"] for each in reviewers if each["type"] == "User"]
        return self._make(f"environment {name}")
