# The schedule is Kaboom's own, and a worker fires it. This is for the evening on which none did: Google's scheduler
# starts a job inside of the VPC, which asks for what is missing, and for nothing where nothing is. It is started by an
# OAuth token of the moment: a header with the ingest token would lie in the state of Terraform.

resource "google_cloud_scheduler_job" "nightly" {
  project          = var.project_id
  region           = var.region
  name             = var.job
  description      = "Asks Kaboom for the bars of the day that are missing"
  schedule         = var.schedule
  time_zone        = "Asia/Tokyo"
  attempt_deadline = "60s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "60s"
    max_backoff_duration = "600s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/projects/${var.project_id}/locations/${var.region}/jobs/${var.job}:run"

    oauth_token {
      service_account_email = var.account
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  project  = var.project_id
  location = var.region
  name     = var.job
  role     = "roles/run.invoker"
  member   = "serviceAccount:${var.account}"
}
