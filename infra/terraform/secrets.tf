# Every secret, and the accounts that read it: what the manifests in api/ hand to the containers that run as them. Values are
# added by people and infra/bootstrap.sh, and never pass through Terraform.

locals {
  both = ["api", "worker"]

  readers = {
    redis-url             = local.both
    redis-ca              = local.both
    celery-broker-url     = local.both
    celery-result-backend = local.both
    database-url          = local.both

    influxdb-host              = local.both
    influxdb-token             = local.both
    influxdb-org               = local.both
    influxdb-bucket-raw-1m-hot = local.both
    influxdb-bucket-agg-5m     = local.both
    influxdb-bucket-agg-1d     = local.both

    ingest-api-token = local.both
    webhook-secret   = local.both
    notification-key = local.both

    supabase-url        = local.both
    supabase-anon-key   = local.both
    supabase-jwt-secret = local.both
    openrouter-api-key  = local.both
    jwt-secret-key      = local.both
    jquants-api-key     = local.both
  }

  # One binding for each secret and account that reads it.
  grants = merge([
    for key, accounts in local.readers : {
      for account in accounts : "${key}/${account}" => { key = key, account = account }
    }
  ]...)
}

resource "google_secret_manager_secret" "kaboom" {
  for_each = local.readers

  project   = var.project_id
  secret_id = "${local.secret_prefix}${each.key}"

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
  secret_id = google_secret_manager_secret.kaboom[each.value.key].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${local.emails[each.value.account]}"
}

# A deploy pins the newest enabled version of each secret: it lists versions, and reads none.
resource "google_secret_manager_secret_iam_member" "deployer" {
  for_each = local.readers

  project   = var.project_id
  secret_id = google_secret_manager_secret.kaboom[each.key].secret_id
  role      = "roles/secretmanager.viewer"
  member    = "serviceAccount:${local.emails["deployer"]}"
}
