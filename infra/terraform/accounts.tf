# Who builds, who deploys, who runs. No account has a key: GitHub's come by federation, Cloud Run's are attached.

locals {
  accounts = merge({
    api       = "runs the API"
    worker    = "runs the worker and the jobs"
    builder   = "pushes images"
    deployer  = "deploys revisions"
    auditor   = "reads images that are live"
    scheduler = "starts the nightly job"
  }, var.worker_pool ? { scaler = "scales the worker pool" } : {})

  # Put together from what is known before apply, so that a plan tells who may do what.
  emails = {
    for key, account in google_service_account.kaboom : key => "${account.account_id}@${account.project}.iam.gserviceaccount.com"
  }

  runtime = ["api", "worker"]

  # What the metrics sidecar beside the container needs, which runs as the same account.
  telemetry = {
    for pair in flatten([
      for account in local.runtime : [
        for role in ["roles/monitoring.metricWriter", "roles/logging.logWriter"] : { account = account, role = role }
      ]
    ]) : "${pair.account}/${pair.role}" => pair
  }
}

resource "google_service_account" "kaboom" {
  for_each = local.accounts

  project         = var.project_id
  account_id      = "kaboom-${each.key}${local.suffix}"
  display_name    = "Kaboom${local.suffix}: ${each.value}"
  deletion_policy = "PREVENT"
}

resource "google_project_iam_member" "telemetry" {
  for_each = local.telemetry

  project = var.project_id
  role    = each.value.role
  member  = "serviceAccount:${local.emails[each.value.account]}"
}

# To follow what it deploys: revisions, executions, operations. What it may change is said for each resource.
resource "google_project_iam_member" "deployer_looks" {
  project = var.project_id
  role    = "roles/run.viewer"
  member  = "serviceAccount:${local.emails["deployer"]}"
}

# To find which images are live.
resource "google_project_iam_member" "auditor_looks" {
  project = var.project_id
  role    = "roles/run.viewer"
  member  = "serviceAccount:${local.emails["auditor"]}"
}

resource "google_service_account_iam_member" "deployer_attaches" {
  for_each = toset(local.runtime)

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails[each.key]}"
  role               = "roles/iam.serviceAccountUser"
  member             = "serviceAccount:${local.emails["deployer"]}"
}
