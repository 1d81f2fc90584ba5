# Terraform owns that a service is there, who may call it and who may deploy to it. Its revisions are the deployment's:
# the first one here runs Google's sample, so that the service exists before the first image does.

locals {
  services = {
    # Its own token guards it: whoever has none gets 401 from the first middleware.
    api    = { name = local.api_service, ingress = "INGRESS_TRAFFIC_ALL", public = true }
    worker = { name = local.worker_service, ingress = "INGRESS_TRAFFIC_INTERNAL_ONLY", public = false }
  }
}

resource "google_cloud_run_v2_service" "kaboom" {
  for_each = local.services

  project             = var.project_id
  location            = var.region
  name                = each.value.name
  ingress             = each.value.ingress
  deletion_protection = true

  # Where sharing is restricted to a domain, allUsers cannot be made an invoker.
  invoker_iam_disabled = each.value.public

  template {
    service_account = local.emails[each.key]
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/hello"
    }
  }

  lifecycle {
    ignore_changes = [template, traffic, scaling, client, client_version, launch_stage, annotations, labels]
  }
}

resource "google_cloud_run_v2_service_iam_member" "deployer" {
  for_each = local.services

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_service.kaboom[each.key].name
  role     = "roles/run.developer"
  member   = "serviceAccount:${local.emails["deployer"]}"
}

resource "google_cloud_run_v2_job" "kaboom" {
  for_each = local.jobs

  project             = var.project_id
  location            = var.region
  name                = each.value
  deletion_protection = true

  template {
    template {
      service_account = local.emails["worker"]
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
  for_each = local.jobs

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_job.kaboom[each.key].name
  role     = "roles/run.developer"
  member   = "serviceAccount:${local.emails["deployer"]}"
}

# The schedule is Kaboom's own, and a worker fires it. This is for the evening on which none did: Google's scheduler
# starts a job inside of the VPC, which asks for what is missing, and for nothing where nothing is. It is started by an
# OAuth token of the moment: a header with the ingest token would lie in the state of Terraform.

resource "google_cloud_scheduler_job" "nightly" {
  project          = var.project_id
  region           = var.region
  name             = google_cloud_run_v2_job.kaboom["nightly"].name
  description      = "Asks Kaboom for the bars of the day that are missing"
  schedule         = var.nightly_schedule
  time_zone        = "Asia/Tokyo"
  attempt_deadline = "60s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "60s"
    max_backoff_duration = "600s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/projects/${var.project_id}/locations/${var.region}/jobs/${local.jobs["nightly"]}:run"

    oauth_token {
      service_account_email = local.emails["scheduler"]
      scope                 = "https://www.googleapis.com/auth/cloud-platform"
    }
  }
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_job.kaboom["nightly"].name
  role     = "roles/run.invoker"
  member   = "serviceAccount:${local.emails["scheduler"]}"
}
