#!/usr/bin/env bash
# Print where an environment is, as its committed values say: infra/deploy/whereabouts.sh production|staging
#
# That is project=…, region=…, worker-kind=…, suffix=…, what audit.yml becomes: provider=… and account=…, and what plans of
# terraform.yml become: plan-provider=… and planner=….
set -euo pipefail
environment=${1:?'usage: whereabouts.sh ENVIRONMENT'}
cd "$(dirname "$0")/../terraform"
if [ "$environment" = production ]; then suffix=''; else suffix=-$environment; fi

# The value of a name, with or without quotes; the values of the project win.
value() {
  sed -n "s/^$1 *= *\"\{0,1\}\([^\"]*\)\"\{0,1\}\$/\1/p" "$environment.tfvars" "$environment.project.tfvars" | tail -n 1
}

project=$(value project_id) number=$(value project_number) region=$(value region)
for found in "$project" "$number" "$region"; do
  [ -n "$found" ] || {
    echo "::error::$environment.project.tfvars names no project_id, project_number or region" >&2
    exit 1
  }
done
if [ "$(value worker_pool)" = true ]; then kind=pool; else kind=service; fi
printf '%s\n' "project=$project" "region=$region" "suffix=$suffix" "worker-kind=$kind" \
  "provider=projects/$number/locations/global/workloadIdentityPools/kaboom-github$suffix/providers/audit" \
  "account=kaboom-auditor$suffix@$project.iam.gserviceaccount.com" \
  "plan-provider=projects/$number/locations/global/workloadIdentityPools/kaboom-terraform$suffix/providers/plan" \
  "planner=kaboom-planner$suffix@$project.iam.gserviceaccount.com"
