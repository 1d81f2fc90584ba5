# What users asked to keep as files: mirrors, indicators, symbol lists, lines that InfluxDB refused. Mounted by API and
# worker, whose own disks are lost with the instance.

resource "google_storage_bucket" "this" {
  project                     = var.project_id
  location                    = var.region
  name                        = var.name
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

resource "google_storage_bucket_iam_member" "this" {
  for_each = var.members

  bucket = google_storage_bucket.this.name
  role   = each.value.role
  member = "serviceAccount:${each.value.account}"
}
