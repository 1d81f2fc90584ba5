# What users asked to keep as files: mirrors, indicators, symbol lists, lines that an InfluxDB refused. Mounted by API and
# worker, whose own disks are lost with the instance.

resource "google_storage_bucket" "files" {
  project                     = var.project_id
  location                    = var.region
  name                        = local.bucket
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  # A file that was replaced or deleted by mistake can be brought back for 30 days.
  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }
    condition {
      days_since_noncurrent_time = 30
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_storage_bucket_iam_member" "files" {
  for_each = { api = "roles/storage.objectViewer", worker = "roles/storage.objectUser" }

  bucket = google_storage_bucket.files.name
  role   = each.value
  member = "serviceAccount:${local.emails[each.key]}"
}
