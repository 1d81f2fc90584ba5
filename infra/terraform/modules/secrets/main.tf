# The secrets and who may read each. Their values are added by people, and never pass through Terraform.

locals {
  # One binding for each secret and account that reads it.
  grants = merge([
    for key, readers in var.readers : {
      for reader in readers : "${key}/${reader}" => { key = key, reader = reader }
    }
  ]...)
}

resource "google_secret_manager_secret" "this" {
  for_each = var.readers

  project   = var.project_id
  secret_id = "${var.prefix}${each.key}"

  # A version that was destroyed by mistake can be brought back for a week.
  version_destroy_ttl = "604800s"
  deletion_protection = true

  replication {
    auto {}
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = local.grants

  project   = var.project_id
  secret_id = google_secret_manager_secret.this[each.value.key].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${var.accounts[each.value.reader]}"
}

# A deploy pins the newest enabled version of each secret: it lists versions, and reads none.
resource "google_secret_manager_secret_iam_member" "deployer" {
  for_each = var.readers

  project   = var.project_id
  secret_id = google_secret_manager_secret.this[each.key].secret_id
  role      = "roles/secretmanager.viewer"
  member    = "serviceAccount:${var.deployer}"
}
