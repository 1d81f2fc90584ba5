# One environment of Kaboom, whole: docs/operations/terraform.md.

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }

  # Which bucket, and under which prefix, infra/bootstrap.sh and terraform.yml say at `init`.
  backend "gcs" {}
}

provider "google" {
  project = var.project_id
  region  = var.region

  # A label of Terraform's on a service is gone with the next deployment, and each plan would bring it back.
  add_terraform_attribution_label = false
}

# Production has the plain names; another environment ends its names with its own, and begins
# those of its secrets with it.

locals {
  is_production = var.environment == "production"
  suffix        = local.is_production ? "" : "-${var.environment}"
  secret_prefix = local.is_production ? "" : "${var.environment}-"

  api_service    = "kaboom-api${local.suffix}"
  worker_service = "kaboom-celery-worker${local.suffix}"
  network        = "kaboom${local.suffix}"
  subnetwork     = "kaboom-run${local.suffix}"
  jobs           = { for key in ["migrate", "smoke", "nightly", "admin"] : key => "kaboom-${key}${local.suffix}" }
  scaler         = "kaboom-scaler${local.suffix}"
  bucket         = "${var.project_id}-kaboom${local.suffix}"
  repositories   = { for key in ["api", "worker"] : key => "kaboom-${key}${local.suffix}" }

  # Bounds of instances: what manifests and scaler are filled in with where the environment says nothing else.
  instances = merge(local.defaults, var.instances)
  defaults  = { for pair in regexall("(?m)^([A-Z_]+)=(.*)$", file("${path.module}/../deploy/variables")) : pair[0] => pair[1] }

  # What Cloud Run answers at: the name of the service and the number of the project.
  api_host = "${local.api_service}-${var.project_number}.${var.region}.run.app"
}
