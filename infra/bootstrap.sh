#!/usr/bin/env bash
# Make an environment of Kaboom in an empty Google Cloud project: infra/bootstrap.sh PROJECT production|staging [--dry-run]
#
# Does what is not yet done, step by step, and may be started again at any time: after an error, or after a change of its
# values. With --dry-run it prints the commands that would change something, and runs none of them. docs/operations/deploy.md
# names the values, which it takes from its environment. Needs gcloud, gh, terraform, jq and openssl, the rights of an
# owner of the project, those of an administrator of the repository, and a plan of GitHub that has environments and
# reviewers: a public repository, or GitHub Enterprise.
set -euo pipefail
usage='usage: infra/bootstrap.sh PROJECT production|staging [--dry-run]'
project=${1:?$usage} environment=${2:?$usage} mode=${3:-}
case $environment in
  production) suffix='' prefix='' branches=main ;;
  # Its bars are made up, whatever is asked for.
  staging) suffix=-staging prefix=staging- branches='staging release/*' PROVIDER=synthetic ;;
  *) echo "$usage" >&2; exit 2 ;;
esac
case $mode in '' | --dry-run) ;; *) echo "$usage" >&2; exit 2 ;; esac
: "${ALERT_EMAIL:?who gets mail when an alert fires}"
[ "$environment" != production ] || : "${STAGING_PROJECT:?the project of staging, best another one than production}"
region=${REGION:-asia-northeast1} bucket=$project-terraform staging_project=${STAGING_PROJECT:-$project}
cd "$(dirname "$0")/.."
export CLOUDSDK_CORE_PROJECT=$project CLOUDSDK_CORE_DISABLE_PROMPTS=1

say() { echo "== $*" >&2; }
# Run what changes something.
change() {
  if [ "$mode" = --dry-run ]; then echo "would run: $*" >&2; else "$@" >&2; fi
}
# The same, for what Google refuses until all of its servers know of an account that is seconds old.
retry() {
  local try
  for try in 1 2 3 4 5 6 7 8; do
    if change "$@"; then return; fi
    echo "try $try of 8 failed" >&2
    [ "$try" = 8 ] || sleep "${RETRY_PAUSE_S:-15}"
  done
  return 1
}
# Whether something is there: a command that tells of it succeeds.
there() { "$@" >/dev/null 2>&1; }

say 'Who this is for'
number=$(gcloud projects describe "$project" --format='value(projectNumber)')
repository=$(gh repo view --json nameWithOwner --jq .nameWithOwner)
repository_id=$(gh api "repos/$repository" --jq .id)

say 'Staging, whose images production takes'
registry="kaboom-api-staging --location=$region --project=$staging_project"
# shellcheck disable=SC2086 # words
if [ "$environment" = production ] && ! there gcloud artifacts repositories describe $registry; then
  echo "$staging_project has no staging in $region: make it first; STAGING_PROJECT names another project" >&2
  exit 1
fi

say 'Environments of GitHub, before anything else: not every plan has them'
reviewers='[]'
for login in ${REVIEWERS:-$(gh api user --jq .login)}; do
  reviewers=$(jq -c --argjson id "$(gh api "users/$login" --jq .id)" '. + [{type: "User", id: $id}]' <<<"$reviewers")
done
# NAME BRANCHES REVIEWERS, made once: what is changed on GitHub stays.
make_environment() {
  local policy branch
  policy=$(jq -nc --argjson reviewers "$3" '{reviewers: $reviewers,
    deployment_branch_policy: {protected_branches: false, custom_branch_policies: true}}')
  there gh api "repos/$repository/environments/$1" ||
    change gh api --method PUT "repos/$repository/environments/$1" --input - <<<"$policy" || {
    echo "GitHub has refused the environment $1: a private repository needs GitHub Enterprise for reviewers" >&2
    exit 1
  }
  for branch in $2; do
    gh api "repos/$repository/environments/$1/deployment-branch-policies" --jq '.branch_policies[].name' 2>/dev/null |
      grep -qxF "$branch" ||
      change gh api --method POST "repos/$repository/environments/$1/deployment-branch-policies" -f "name=$branch"
  done
}
set -f
if [ "$environment" = production ]; then asked=$reviewers; else asked='[]'; fi
make_environment "$environment" "$branches" "$asked"
make_environment "terraform-$environment" main "$reviewers"

say 'APIs'
change gcloud services enable artifactregistry.googleapis.com cloudresourcemanager.googleapis.com \
  cloudscheduler.googleapis.com compute.googleapis.com iam.googleapis.com iamcredentials.googleapis.com \
  logging.googleapis.com monitoring.googleapis.com parametermanager.googleapis.com redis.googleapis.com \
  run.googleapis.com secretmanager.googleapis.com servicenetworking.googleapis.com sqladmin.googleapis.com \
  sts.googleapis.com

say 'Bucket for the state of Terraform'
there gcloud storage buckets describe "gs://$bucket" || change gcloud storage buckets create "gs://$bucket" \
  --location="$region" --uniform-bucket-level-access --public-access-prevention
change gcloud storage buckets update "gs://$bucket" --versioning

say "Terraform's own accounts, for terraform.yml: one applies, one plans"
applier=kaboom-terraform$suffix@$project.iam.gserviceaccount.com
planner=kaboom-planner$suffix@$project.iam.gserviceaccount.com
pool=kaboom-terraform$suffix at="projects/$number/locations/global/workloadIdentityPools/kaboom-terraform$suffix"
make_account() {
  there gcloud iam service-accounts describe "$1@$project.iam.gserviceaccount.com" ||
    change gcloud iam service-accounts create "$1" --display-name="Kaboom$suffix: $2"
}
# ACCOUNT ROLE CONDITION
grant() {
  retry gcloud projects add-iam-policy-binding "$project" --member="serviceAccount:$1" --role="$2" --condition="$3"
}
make_account "kaboom-terraform$suffix" 'applies Terraform'
make_account "kaboom-planner$suffix" 'reads, for plans of pull requests'
for role in artifactregistry.admin cloudscheduler.admin cloudsql.admin compute.networkAdmin iam.serviceAccountAdmin \
  iam.serviceAccountUser iam.workloadIdentityPoolAdmin logging.configWriter monitoring.editor parametermanager.admin \
  redis.admin run.admin secretmanager.admin storage.admin; do
  grant "$applier" "roles/$role" None
done
# For the whole project it may grant no more than infra/terraform does, above all nothing to itself.
may_grant="['roles/logging.logWriter', 'roles/monitoring.metricWriter', 'roles/monitoring.viewer', \
'roles/parametermanager.parameterViewer', 'roles/run.viewer']"
may_grant="api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly($may_grant)"
grant "$applier" roles/resourcemanager.projectIamAdmin "^#^title=kaboom-grants#expression=$may_grant"
for role in viewer iam.securityReviewer parametermanager.parameterViewer; do grant "$planner" "roles/$role" None; done
retry gcloud storage buckets add-iam-policy-binding "gs://$bucket" --member="serviceAccount:$planner" \
  --role=roles/storage.objectViewer
there gcloud iam workload-identity-pools describe "$pool" --location=global ||
  change gcloud iam workload-identity-pools create "$pool" --location=global
# NAME MAPPING CONDITION
make_provider() {
  there gcloud iam workload-identity-pools providers describe "$1" --location=global --workload-identity-pool="$pool" ||
    change gcloud iam workload-identity-pools providers create-oidc "$1" --location=global \
      --workload-identity-pool="$pool" --issuer-uri=https://token.actions.githubusercontent.com \
      --attribute-mapping="google.subject=assertion.sub,$2" --attribute-condition="$3"
}
make_provider github attribute.environment=assertion.environment \
  "assertion.repository_id == '$repository_id' && assertion.ref == 'refs/heads/main'"
# Whoever may push a branch decides what a plan runs: it reads.
make_provider plan attribute.planner=assertion.repository_id "assertion.repository_id == '$repository_id'"
retry gcloud iam service-accounts add-iam-policy-binding "$applier" --role=roles/iam.workloadIdentityUser \
  --member="principalSet://iam.googleapis.com/$at/attribute.environment/terraform-$environment"
retry gcloud iam service-accounts add-iam-policy-binding "$planner" --role=roles/iam.workloadIdentityUser \
  --member="principalSet://iam.googleapis.com/$at/attribute.planner/$repository_id"

say 'Terraform'
values=infra/terraform/$environment.project.tfvars
# Whether a secret has an enabled version.
has_value() {
  gcloud secrets versions list "$prefix$1" --format=json 2>/dev/null | jq -e 'any(.state == "ENABLED")' >/dev/null
}
# Whether Terraform shall make a server: nobody has named one.
lacks_server() { [ -z "$2" ] && ! has_value "$1"; }
if [ ! -f "$values" ]; then
  printf '%s = "%s"\n' project_id "$project" project_number "$number" region "$region" \
    github_repository "$repository" github_repository_id "$repository_id" >"$values.new"
  echo "alert_emails = [\"$ALERT_EMAIL\"]" >>"$values.new"
  if lacks_server database-url "${DATABASE_URL:-}"; then echo 'make_database = true' >>"$values.new"; fi
  if [ "$mode" = --dry-run ]; then sed "s/^/would write to ${values##*/}: /" "$values.new" >&2; fi
  trap 'rm -f "$values.new"' EXIT
  change mv "$values.new" "$values"
elif ! grep -q "^project_id *= \"$project\"$" "$values"; then
  echo "$values is of another project than $project: remove it to start over" >&2
  exit 1
fi
if [ -f "$values" ]; then told=$values; else told=$values.new; fi
makes() { grep -q "^make_$1 *= *true$" "$told"; }
if [ -n "${DATABASE_URL:-}" ] && makes database; then
  echo "$values says that Terraform makes a database: take make_database out, or unset DATABASE_URL" >&2
  exit 1
fi

lock=infra/terraform/.terraform.lock.hcl
grep -q '"zh:' "$lock" || change terraform -chdir=infra/terraform providers lock -platform=linux_amd64 \
  -platform=darwin_arm64 -platform=linux_arm64
if there git rev-parse --git-dir; then change git add "$values" "$lock"; fi
change infra/deploy/terraform-init.sh "$environment"
change terraform -chdir=infra/terraform apply -var-file="$environment.tfvars" \
  -var-file="$environment.project.tfvars"

# By hand, since the state of neither environment knows of the other.
if [ "$environment" = production ]; then
  # shellcheck disable=SC2086 # words
  retry gcloud artifacts repositories add-iam-policy-binding $registry --role=roles/artifactregistry.reader \
    --member="serviceAccount:kaboom-builder@$project.iam.gserviceaccount.com"
fi

# A value is added once: where a secret has an enabled version, it is left alone.
secret() {
  local name=$prefix$1 value=$2
  if has_value "$1"; then return; fi
  if [ -z "$value" ] && [ "$mode" != --dry-run ]; then lacking="$lacking $1"; return; fi
  if [ "$mode" = --dry-run ]; then echo "would add a version of $name" >&2; return; fi
  printf %s "$value" | gcloud secrets versions add "$name" --data-file=- >&2
}

say 'Values of the secrets'
lacking=''
redis_name=$(sed -n 's/^redis *= { name = "\([^"]*\)".*/\1/p' "infra/terraform/$environment.tfvars")
redis() { gcloud redis instances describe "$redis_name" --region="$region" --format="$1"; }
if [ "$mode" = --dry-run ]; then redis_url='' ca=''; else
  address=$(redis 'value(host,port)')
  auth=$(gcloud redis instances get-auth-string "$redis_name" --region="$region" --format='value(authString)')
  # Google separates the two by a tab.
  redis_url="rediss://:$auth@${address%%[[:space:]]*}:${address##*[[:space:]]}/0"
  redis_url="$redis_url?ssl_ca_certs=/etc/kaboom/redis/ca.pem&ssl_check_hostname=false"
  ca=$(redis json | jq -r '.serverCaCerts[].cert')
fi
output() { terraform -chdir=infra/terraform output -json "$1" | jq -r "$2"; }
if [ "$mode" = --dry-run ] || ! makes database; then has_url=unasked; else
  # An error is not an answer: a new password would lock out what runs.
  has_url=$(gcloud secrets versions list "${prefix}database-url" --format=json | jq 'any(.state == "ENABLED")')
fi
if [ "$has_url" = false ]; then
  instance=$(output database .name)
  # Cloud SQL reads the bucket as an account that is as old as the server.
  retry gcloud sql import sql "$instance" "gs://$(output github_variables .DATA_BUCKET)/database/roles.sql" \
    --database=kaboom --user=postgres
  password=$(openssl rand -hex 32)
  # From a file, so that no process list shows it.
  gcloud sql users set-password kaboom_a --instance="$instance" --flags-file=/dev/stdin <<<"--password: '$password'" >&2
  DATABASE_URL="postgresql://kaboom_a:$password@$(output database .address)/kaboom?sslmode=require"
fi
for name in redis-url celery-broker-url celery-result-backend; do secret "$name" "$redis_url"; done
secret redis-ca "$ca"
secret database-url "${DATABASE_URL:-}"
if [ -n "${INFLUXDB_HOST:-}" ]; then
  secret influxdb-host "$INFLUXDB_HOST"
  secret influxdb-token "${INFLUXDB_TOKEN:-}"
  secret influxdb-org "${INFLUXDB_ORG:-}"
fi
for name in ingest-api-token notification-key jwt-secret-key; do secret "$name" "$(openssl rand -hex 32)"; done
secret webhook-secret "whsec_$(openssl rand -base64 32)"
secret supabase-url "${SUPABASE_URL:-unused}"
secret supabase-anon-key "${SUPABASE_ANON_KEY:-unused}"
secret openrouter-api-key "${OPENROUTER_API_KEY:-unused}"
# What a deployment may do without.
[ -z "${JQUANTS_API_KEY:-}" ] || secret jquants-api-key "$JQUANTS_API_KEY"
[ -z "${SUPABASE_JWT_SECRET:-}" ] || secret supabase-jwt-secret "$SUPABASE_JWT_SECRET"

say 'Variables on GitHub'
variable() { change gh variable set "$2" --env "$1" --body "$3"; }
variable "terraform-$environment" TERRAFORM_ACCOUNT "$applier"
variable "terraform-$environment" TERRAFORM_WIF_PROVIDER "$at/providers/github"
if [ "$environment" = production ]; then variable production STAGING_PROJECT_ID "$staging_project"; fi
variable "$environment" PROVIDER "${PROVIDER:-synthetic}"
if [ -n "${INFLUXDB_HOST:-}" ]; then variable "$environment" BAR_STORE auto; fi
if [ "$mode" != --dry-run ]; then
  terraform -chdir=infra/terraform output -json github_variables | jq -r 'to_entries[] | "\(.key)=\(.value)"' |
    while IFS='=' read -r name value; do variable "$environment" "$name" "$value" </dev/null; done
fi

if [ -n "$lacking" ]; then
  echo "These secrets have no value yet; set it and start this again, or add a version by hand:$lacking" >&2
  exit 1
fi
say "Done. Commit $values, and push: the first release follows."
