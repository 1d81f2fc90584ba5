# The worker without a port. It begins with no instance: two kinds of workers take from the same queues.

resource "google_cloud_run_v2_worker_pool" "worker" {
  count = var.worker_pool ? 1 : 0

  project             = var.project_id
  location            = var.region
  name                = local.worker_service
  deletion_protection = true

  scaling {
    scaling_mode          = "MANUAL"
    manual_instance_count = 0
  }

  template {
    service_account = local.emails["worker"]
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/worker-pool"
    }
  }

  lifecycle {
    ignore_changes = [template, instance_splits, scaling, client, client_version, launch_stage, annotations, labels]
  }
}

resource "google_cloud_run_v2_worker_pool_iam_member" "deployer" {
  count = var.worker_pool ? 1 : 0

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_worker_pool.worker[0].name
  role     = "roles/run.developer"
  member   = "serviceAccount:${local.emails["deployer"]}"
}

# What sets the number of the worker pool's instances by Kaboom's own metrics: Google's CREMA, a service of one instance.
# Its image is Google's and no release of ours, so Terraform owns its revisions, too.

locals {
  crema = templatefile("${path.module}/../../api/crema.yaml", {
    PROJECT_ID           = var.project_id
    REGION               = var.region
    API_SERVICE          = local.api_service
    WORKER_SERVICE       = local.worker_service
    WORKER_MIN_INSTANCES = local.instances["WORKER_MIN_INSTANCES"]
    WORKER_MAX_INSTANCES = local.instances["WORKER_MAX_INSTANCES"]
  })
}

resource "google_parameter_manager_parameter" "config" {
  count = var.worker_pool ? 1 : 0

  project      = var.project_id
  parameter_id = local.scaler
  format       = "YAML"
}

# A version cannot change: another text is another version.
resource "google_parameter_manager_parameter_version" "config" {
  count = var.worker_pool ? 1 : 0

  parameter            = google_parameter_manager_parameter.config[0].id
  parameter_version_id = "v-${substr(sha256(local.crema), 0, 12)}"
  parameter_data       = local.crema

  lifecycle {
    create_before_destroy = true
  }
}

resource "google_cloud_run_v2_service" "scaler" {
  count = var.worker_pool ? 1 : 0

  project             = var.project_id
  location            = var.region
  name                = local.scaler
  ingress             = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  deletion_protection = true

  scaling {
    scaling_mode          = "MANUAL"
    manual_instance_count = 1
  }

  template {
    service_account       = local.emails["scaler"]
    execution_environment = "EXECUTION_ENVIRONMENT_GEN2"

    containers {
      image          = "us-central1-docker.pkg.dev/cloud-run-oss-images/crema-v1/autoscaler:1.2"
      base_image_uri = "us-central1-docker.pkg.dev/serverless-runtimes/google-24/runtimes/java25"

      env {
        name  = "CREMA_CONFIG"
        value = google_parameter_manager_parameter_version.config[0].name
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
  count = var.worker_pool ? 1 : 0

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_worker_pool.worker[0].name
  role     = "roles/run.developer"
  member   = "serviceAccount:${local.emails["scaler"]}"
}

# A change of the number of instances is a change of what runs as that account.
resource "google_service_account_iam_member" "scaler" {
  count = var.worker_pool ? 1 : 0

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails["worker"]}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${local.emails["scaler"]}"
}

# Neither a parameter nor a metric has a policy of its own.
resource "google_project_iam_member" "scaler" {
  for_each = toset(var.worker_pool ? ["roles/parametermanager.parameterViewer", "roles/monitoring.viewer"] : [])

  project = var.project_id
  role    = each.value
  member  = "serviceAccount:${local.emails["scaler"]}"
}
