# Terraform owns that a service is there, who may call it and who may deploy to it. Its revisions are the deployment's:
# the first one here runs Google's sample, so that the service exists before the first image does.

resource "google_cloud_run_v2_service" "this" {
  for_each = var.services

  project             = var.project_id
  location            = var.region
  name                = each.value.name
  ingress             = each.value.ingress
  deletion_protection = true

  # Where sharing is restricted to a domain, allUsers cannot be made an invoker.
  invoker_iam_disabled = each.value.public

  template {
    service_account = each.value.account
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/hello"
    }
  }

  lifecycle {
    ignore_changes = [template, traffic, scaling, client, client_version, launch_stage, annotations, labels]
  }
}

resource "google_cloud_run_v2_service_iam_member" "deployer" {
  for_each = var.services

  project  = var.project_id
  location = var.region
  name     = google_cloud_run_v2_service.this[each.key].name
  role     = "roles/run.developer"
  member   = "serviceAccount:${var.deployer}"
}
