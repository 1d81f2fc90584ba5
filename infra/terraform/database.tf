# The ledger and the bars, which nothing else can restore. Only the VPC network reaches it; infra/bootstrap.sh gives the
# roles of infra/database/roles.sql their passwords.

resource "google_sql_database_instance" "kaboom" {
  count = var.make_database ? 1 : 0

  project             = var.project_id
  region              = var.region
  name                = "kaboom${local.suffix}"
  database_version    = "POSTGRES_18"
  deletion_protection = true

  settings {
    edition                     = "ENTERPRISE"
    tier                        = var.database.tier
    availability_type           = var.database.regional ? "REGIONAL" : "ZONAL"
    disk_autoresize             = true
    deletion_protection_enabled = true
    retain_backups_on_delete    = true

    ip_configuration {
      ipv4_enabled    = false
      private_network = google_compute_network.own.id
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
      value = tostring(var.database.connections)
    }
  }

  depends_on = [google_service_networking_connection.google]

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_sql_database" "kaboom" {
  count = var.make_database ? 1 : 0

  project  = var.project_id
  instance = google_sql_database_instance.kaboom[0].name
  name     = "kaboom"
  charset  = "UTF8"

  lifecycle {
    prevent_destroy = true
  }
}

# For infra/database/roles.sql, which Cloud SQL imports from a bucket.
resource "google_storage_bucket_iam_member" "imports" {
  count = var.make_database ? 1 : 0

  bucket = google_storage_bucket.files.name
  role   = "roles/storage.objectViewer"
  member = "serviceAccount:${google_sql_database_instance.kaboom[0].service_account_email_address}"
}

resource "google_storage_bucket_object" "roles" {
  count = var.make_database ? 1 : 0

  bucket  = google_storage_bucket.files.name
  name    = "database/roles.sql"
  content = file("${path.module}/../database/roles.sql")
}
