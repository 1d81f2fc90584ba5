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
