resource "google_cloud_run_v2_job" "this" {
  for_each = var.jobs

  project             = var.project_id
  location            = var.region
  name                = each.value.name
  deletion_protection = true

  template {
    template {
      service_account = each.value.account
      containers {
        image = "us-docker.pkg.dev/cloudrun/container/job"
      }
    }
  }

  lifecycle {
    ignore_changes = [template, client, client_version, launch_stage, annotations, labels]
  }
}

resource "google_cloud_run_v2_job_iam_member" "deployer" {
  for_each = var.jobs

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_job.this[each.key].name
  role     = "roles/run.developer"
  member   = "serviceAccount:${var.deployer}"
}
