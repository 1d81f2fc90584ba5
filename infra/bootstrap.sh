#!/usr/bin/env bash
# Make an environment of Kaboom in an empty Google Cloud project: infra/bootstrap.sh PROJECT production|staging [--dry-run]
#
# Does what is not yet done, step by step, and may be started again at any time: after an error, or after a change of its
# values. With --dry-run it prints the commands that would change something, and runs none of them. docs/operations/deploy.md
# names the values, which it takes from its environment. Needs gcloud, gh, terraform, jq and openssl, and the rights of an
# owner of the project.
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
region=${REGION:-asia-northeast1} bucket=$project-terraform staging_project=${STAGING_PROJECT:-$project}
cd "$(dirname "$0")/.."
export CLOUDSDK_CORE_PROJECT=$project CLOUDSDK_CORE_DISABLE_PROMPTS=1

say() { echo "== $*" >&2; }
# Run what changes something.
change() {
  if [ "$mode" = --dry-run ]; then echo "would run: $*" >&2; else "$@" >&2; fi
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

say 'APIs'
change gcloud services enable artifactregistry.googleapis.com cloudresourcemanager.googleapis.com \
  cloudscheduler.googleapis.com compute.googleapis.com iam.googleapis.com iamcredentials.googleapis.com \
  logging.googleapis.com monitoring.googleapis.com parametermanager.googleapis.com redis.googleapis.com \
  run.googleapis.com secretmanager.googleapis.com servicenetworking.googleapis.com sqladmin.googleapis.com \
  sts.googleapis.com vpcaccess.googleapis.com

say 'Bucket for the state of Terraform'
there gcloud storage buckets describe "gs://$bucket" || change gcloud storage buckets create "gs://$bucket" \
  --location="$region" --uniform-bucket-level-access --public-access-prevention
change gcloud storage buckets update "gs://$bucket" --versioning

say "Terraform's own account, for terraform.yml"
account=kaboom-terraform$suffix address=kaboom-terraform$suffix@$project.iam.gserviceaccount.com
pool=kaboom-terraform$suffix at="projects/$number/locations/global/workloadIdentityPools/kaboom-terraform$suffix"
there gcloud iam service-accounts describe "$address" ||
  change gcloud iam service-accounts create "$account" --display-name="Kaboom$suffix: applies Terraform"
change gcloud projects add-iam-policy-binding "$project" --member="serviceAccount:$address" --role=roles/owner \
  --condition=None
there gcloud iam workload-identity-pools describe "$pool" --location=global ||
  change gcloud iam workload-identity-pools create "$pool" --location=global
there gcloud iam workload-identity-pools providers describe github --location=global --workload-identity-pool="$pool" ||
  change gcloud iam workload-identity-pools providers create-oidc github --location=global \
    --workload-identity-pool="$pool" --issuer-uri=https://token.actions.githubusercontent.com \
    --attribute-mapping=google.subject=assertion.sub,attribute.environment=assertion.environment \
    --attribute-condition="assertion.repository_id == '$repository_id' && assertion.ref == 'refs/heads/main'"
change gcloud iam service-accounts add-iam-policy-binding "$address" --role=roles/iam.workloadIdentityUser \
  --member="principalSet://iam.googleapis.com/$at/attribute.environment/terraform-$environment"

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
  if lacks_server influxdb-host "${INFLUXDB_HOST:-}"; then echo 'make_influxdb = true' >>"$values.new"; fi
  if [ "$mode" = --dry-run ]; then sed "s/^/would write to ${values##*/}: /" "$values.new" >&2; fi
  trap 'rm -f "$values.new"' EXIT
  change mv "$values.new" "$values"
elif ! grep -q "^project_id *= \"$project\"$" "$values"; then
  echo "$values is of another project than $project: remove it to start over" >&2
  exit 1
fi
if [ -f "$values" ]; then told=$values; else told=$values.new; fi
makes() { grep -q "^make_$1 *= *true$" "$told"; }
for made in "database ${DATABASE_URL:+DATABASE_URL}" "influxdb ${INFLUXDB_HOST:+INFLUXDB_HOST}"; do
  if [ -n "${made#* }" ] && makes "${made%% *}"; then
    echo "$values says that Terraform makes a server: take make_${made%% *} out, or unset ${made#* }" >&2
    exit 1
  fi
done

if makes database; then
  # Once for a network, which several environments may use; Terraform would have one of them undo it for the others.
  network=$(sed -n 's/^network *= *"\(.*\)"$/\1/p' "$told" "infra/terraform/$environment.tfvars" | head -n 1)
  network=${network:-default} range=google-managed-services-${network:-default}
  there gcloud compute addresses describe "$range" --global ||
    change gcloud compute addresses create "$range" --global --purpose=VPC_PEERING --addresses=10.64.0.0 \
      --prefix-length=20 --network="$network"
  gcloud services vpc-peerings list --network="$network" --format=json 2>/dev/null |
    jq -e 'any(.peering == "servicenetworking-googleapis-com")' >/dev/null ||
    change gcloud services vpc-peerings connect --service=servicenetworking.googleapis.com --ranges="$range" \
      --network="$network"
fi
if there git rev-parse --git-dir; then change git add "$values"; fi
change infra/deploy/terraform-init.sh "$environment"
change terraform -chdir=infra/terraform apply -var-file="$environment.tfvars" \
  -var-file="$environment.project.tfvars"

# By hand, since the state of neither environment knows of the other.
if [ "$environment" = production ]; then
  # shellcheck disable=SC2086 # words
  change gcloud artifacts repositories add-iam-policy-binding $registry --role=roles/artifactregistry.reader \
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
  instance=$(output servers .database.name)
  gcloud sql import sql "$instance" "gs://$(output github_variables .DATA_BUCKET)/database/roles.sql" \
    --database=kaboom --user=postgres >&2
  password=$(openssl rand -hex 32)
  # From a file, so that no process list shows it.
  gcloud sql users set-password kaboom_a --instance="$instance" --flags-file=/dev/stdin <<<"--password: '$password'" >&2
  DATABASE_URL="postgresql://kaboom_a:$password@$(output servers .database.address)/kaboom?sslmode=require"
fi
if [ "$mode" != --dry-run ] && makes influxdb; then
  # The VM waits for its token, and sets the server up with it.
  INFLUXDB_HOST=$(output servers .influxdb) INFLUXDB_TOKEN=$(openssl rand -hex 32) INFLUXDB_ORG=kaboom
fi
for name in redis-url celery-broker-url celery-result-backend; do secret "$name" "$redis_url"; done
secret redis-ca "$ca"
secret database-url "${DATABASE_URL:-}"
secret influxdb-host "${INFLUXDB_HOST:-}"
secret influxdb-token "${INFLUXDB_TOKEN:-}"
secret influxdb-org "${INFLUXDB_ORG:-}"
secret influxdb-bucket-raw-1m-hot "${INFLUXDB_BUCKET_RAW_1M_HOT:-raw_1m_hot}"
secret influxdb-bucket-agg-5m "${INFLUXDB_BUCKET_AGG_5M:-agg_5m}"
secret influxdb-bucket-agg-1d "${INFLUXDB_BUCKET_AGG_1D:-agg_1d}"
for name in ingest-api-token notification-key jwt-secret-key; do secret "$name" "$(openssl rand -hex 32)"; done
secret webhook-secret "whsec_$(openssl rand -base64 32)"
secret supabase-url "${SUPABASE_URL:-unused}"
secret supabase-anon-key "${SUPABASE_ANON_KEY:-unused}"
secret openrouter-api-key "${OPENROUTER_API_KEY:-unused}"
# The one secret that a deployment does without.
[ -z "${JQUANTS_API_KEY:-}" ] || secret jquants-api-key "$JQUANTS_API_KEY"

say 'Environments and variables on GitHub'
policy='{"deployment_branch_policy": {"protected_branches": false, "custom_branch_policies": true}}'
make_environment() {
  there gh api "repos/$repository/environments/$1" || change gh api --method PUT "repos/$repository/environments/$1" \
    --input - <<<"$policy"
  local branch
  for branch in $2; do
    gh api "repos/$repository/environments/$1/deployment-branch-policies" --jq '.branch_policies[].name' 2>/dev/null |
      grep -qxF "$branch" ||
      change gh api --method POST "repos/$repository/environments/$1/deployment-branch-policies" -f "name=$branch"
  done
}
set -f
make_environment "$environment" "$branches"
make_environment "terraform-$environment" main
variable() { change gh variable set "$2" --env "$1" --body "$3"; }
variable "terraform-$environment" TERRAFORM_ACCOUNT "kaboom-terraform$suffix@$project.iam.gserviceaccount.com"
variable "terraform-$environment" TERRAFORM_WIF_PROVIDER "$at/providers/github"
if [ "$environment" = production ]; then variable production STAGING_PROJECT_ID "$staging_project"; fi
variable "$environment" PROVIDER "${PROVIDER:-synthetic}"
if [ "$mode" != --dry-run ]; then
  terraform -chdir=infra/terraform output -json github_variables | jq -r 'to_entries[] | "\(.key)=\(.value)"' |
    while IFS='=' read -r name value; do variable "$environment" "$name" "$value" </dev/null; done
fi

if [ -n "$lacking" ]; then
  echo "These secrets have no value yet; set it and start this again, or add a version by hand:$lacking" >&2
  exit 1
fi
say "Done. Commit $values, and push: the first release follows."
