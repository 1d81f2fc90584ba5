#!/usr/bin/env bash
# Let Terraform use the state of an environment: infra/deploy/terraform-init.sh production|staging
#
# Which bucket it is follows from the project that ENVIRONMENT.project.tfvars names.
set -euo pipefail
environment=${1:?'usage: terraform-init.sh ENVIRONMENT'}
cd "$(dirname "$0")/../terraform"

project=$(sed -n 's/^project_id *= *"\(.*\)"$/\1/p' "$environment.project.tfvars")
[ -n "$project" ] || { echo "terraform-init.sh: $environment.project.tfvars names no project_id" >&2; exit 1; }
terraform init -reconfigure -input=false -backend-config="bucket=$project-terraform" -backend-config="prefix=$environment"
