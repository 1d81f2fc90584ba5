# What sets the number of the worker pool's instances by Kaboom's own metrics: Google's CREMA, a service of one instance.
# Its image is Google's and no release of ours, so Terraform owns its revisions, too.

locals {
  config = templatefile("${path.module}/../../../../api/crema.yaml", var.config)
}

resource "google_parameter_manager_parameter" "config" {
  project      = var.project_id
  parameter_id = var.name
  format       = "YAML"
}

# A version cannot change: another text is another version.
resource "google_parameter_manager_parameter_version" "config" {
  parameter            = google_parameter_manager_parameter.config.id
  parameter_version_id = "v-${substr(sha256(local.config), 0, 12)}"
  parameter_data       = local.config

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_cloud_run_v2_service" "scaler" {
  project             = var.project_id
  location            = var.region
  name                = var.name
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  deletion_protection = true

  scaling {
    scaling_mode          = "MANUAL"
    manual_instance_count = 1
  }

  template {
    service_account       = var.account
    execution_environment = "EXECUTION_ENVIRONMENT_GEN2"

    containers {
      image          = "us-central1-docker.pkg.dev/cloud-run-oss-images/crema-v1/autoscaler:1.2"
      base_image_uri = "us-central1-docker.pkg.dev/serverless-runtimes/google-24/runtimes/java25"

      env {
        name  = "CREMA_CONFIG"
        value = google_parameter_manager_parameter_version.config.name
      }

      # It polls, and nobody asks it anything.
      resources {
        cpu_idle = false
        limits   = { cpu = "1", memory = "1Gi" }
      }
    }
  }
}

resource "google_cloud_run_v2_worker_pool_iam_member" "scaler" {
  project  = var.project_id
  location = var.region
  name     = var.worker_pool
  role     = "roles/run.developer"
  member   = "serviceAccount:${var.account}"
}

# A change of the number of instances is a change of what runs as that account.
resource "google_service_account_iam_member" "scaler" {
  service_account_id = "projects/${var.project_id}/serviceAccounts/${var.worker_account}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${var.account}"
}

# Neither a parameter nor a metric has a policy of its own.
resource "google_project_iam_member" "scaler" {
  for_each = toset(["roles/parametermanager.parameterViewer", "roles/monitoring.viewer"])

  project = var.project_id
  role    = each.value
  member  = "serviceAccount:${var.account}"
}
