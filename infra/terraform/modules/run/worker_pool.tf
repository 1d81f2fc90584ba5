# The worker without a port. It begins with no instance: two kinds of workers take from the same queues.

resource "google_cloud_run_v2_worker_pool" "this" {
  count = var.worker_pool == null ? 0 : 1

  project             = var.project_id
  location            = var.region
  name                = var.worker_pool.name
  deletion_protection = true

  scaling {
    scaling_mode          = "MANUAL"
    manual_instance_count = 0
  }

  template {
    service_account = var.worker_pool.account
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/worker-pool"
    }
  }

  lifecycle {
    ignore_changes = [template, instance_splits, scaling, client, client_version, launch_stage, annotations, labels]
  }
}

resource "google_cloud_run_v2_worker_pool_iam_member" "deployer" {
  count = var.worker_pool == null ? 0 : 1

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_worker_pool.this[0].name
  role     = "roles/run.developer"
  member   = "serviceAccount:${var.deployer}"
}
