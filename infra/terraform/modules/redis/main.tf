# Broker, job state and results. Losing it loses no job: the ledger in PostgreSQL puts back what was unfinished.

resource "google_redis_instance" "this" {
  project            = var.project_id
  region             = var.region
  name               = var.name
  tier               = var.tier
  memory_size_gb     = var.memory_size_gb
  redis_version      = "REDIS_7_2"
  connect_mode       = "DIRECT_PEERING"
  authorized_network = "projects/${var.project_id}/global/networks/${var.network}"

  auth_enabled            = true
  transit_encryption_mode = "SERVER_AUTHENTICATION"

  # Google's default, volatile-lru, drops keys that have an expiry when memory is full: Kaboom does not start with it.
  redis_configs = {
    maxmemory-policy = "noeviction"
  }

  # In UTC: Sunday, 03:00 to 04:00 in Japan. A failover within it drops every connection once.
  maintenance_policy {
    weekly_maintenance_window {
      day = "SATURDAY"
      start_time {
        hours   = 18
        minutes = 0
      }
    }
  }

  persistence_config {
    persistence_mode    = var.persistence
    rdb_snapshot_period = var.persistence == "RDB" ? "ONE_HOUR" : null
  }

  deletion_protection = true

  lifecycle {
    prevent_destroy = true
  }
}
