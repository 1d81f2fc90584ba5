# Broker, job state and results. Losing it loses no job: the ledger in PostgreSQL puts back what was unfinished.

resource "google_redis_instance" "redis" {
  project            = var.project_id
  region             = var.region
  name               = var.redis.name
  tier               = var.redis.tier
  memory_size_gb     = var.redis.memory_size_gb
  redis_version      = "REDIS_7_2"
  connect_mode       = "PRIVATE_SERVICE_ACCESS"
  authorized_network = google_compute_network.own.id

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
    persistence_mode    = var.redis.persistence
    rdb_snapshot_period = var.redis.persistence == "RDB" ? "ONE_HOUR" : null
  }

  deletion_protection = true

  depends_on = [google_service_networking_connection.google]

  lifecycle {
    prevent_destroy = true
  }
}
