terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 8.7"
    }
  }

  backend "gcs" {
    bucket = "kaboom-472705-terraform"
    prefix = "production"
  }
}

provider "google" {
  project = var.project_id
  region  = var.region

  # A label of Terraform's on a service is gone with the next deployment, and each plan would bring it back.
  add_terraform_attribution_label = false
}

module "kaboom" {
  source = "../../modules/kaboom"

  environment    = "production"
  project_id     = var.project_id
  project_number = var.project_number
  region         = var.region

  network            = var.network
  connector          = { name = "kaboom-vpc-connector-2", cidr = var.connector_cidr }
  direct_egress_cidr = var.direct_egress_cidr

  redis = {
    name           = var.redis_name
    memory_size_gb = var.redis_memory_size_gb
    persistence    = "DISABLED"
  }

  worker_pool = var.worker_pool

  github_repository    = var.github_repository
  github_repository_id = var.github_repository_id
  refs                 = ["refs/heads/main"]

  alert_emails   = var.alert_emails
  alert_channels = var.alert_channels
}
