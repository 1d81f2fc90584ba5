# The ledger, which nothing else can restore. Only the VPC network reaches it: infra/bootstrap.sh peers that with Google's
# services, once for all environments, and gives the roles of infra/database/roles.sql their passwords.

resource "google_sql_database_instance" "this" {
  project             = var.project_id
  region              = var.region
  name                = var.name
  database_version    = "POSTGRES_18"
  deletion_protection = true

  settings {
    edition                     = "ENTERPRISE"
    tier                        = var.size.tier
    availability_type           = var.size.regional ? "REGIONAL" : "ZONAL"
    disk_autoresize             = true
    deletion_protection_enabled = true
    retain_backups_on_delete    = true

    ip_configuration {
      ipv4_enabled    = false
      private_network = "projects/${var.project_id}/global/networks/${var.network}"
      ssl_mode        = "ENCRYPTED_ONLY"
    }

    # In UTC: 02:00 in Japan.
    backup_configuration {
      enabled                        = true
      start_time                     = "17:00"
      point_in_time_recovery_enabled = true
      transaction_log_retention_days = 7

      backup_retention_settings {
        retained_backups = 14
      }
    }

    # In UTC: Sunday, 03:00 to 04:00 in Japan, as for Redis.
    maintenance_window {
      day  = 6
      hour = 18
    }

    # Instances of API and worker, twice during a release, and people (docs/operations/deploy.md).
    database_flags {
      name  = "max_connections"
      value = "250"
    }
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_sql_database" "kaboom" {
  project  = var.project_id
  instance = google_sql_database_instance.this.name
  name     = "kaboom"
  charset  = "UTF8"

  lifecycle {
    prevent_destroy = true
  }
}

# For infra/database/roles.sql, which Cloud SQL imports from a bucket.
resource "google_storage_bucket_iam_member" "imports" {
  bucket = var.bucket
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_sql_database_instance.this.service_account_email_address}"
}

resource "google_storage_bucket_object" "roles" {
  bucket  = var.bucket
  name    = "database/roles.sql"
  content = var.roles
}
