# Every secret, and the accounts that read it: what the manifests in api/ hand to the containers that run as them.

locals {
  both = ["api", "worker"]

  readers = {
    redis-url             = local.both
    redis-ca              = local.both
    celery-broker-url     = local.both
    celery-result-backend = local.both
    database-url          = local.both

    influxdb-host              = local.both
    influxdb-token             = var.make_influxdb ? concat(local.both, ["influxdb"]) : local.both
    influxdb-org               = local.both
    influxdb-bucket-raw-1m-hot = local.both
    influxdb-bucket-agg-5m     = local.both
    influxdb-bucket-agg-1d     = local.both

    ingest-api-token = local.both
    webhook-secret   = local.both
    notification-key = local.both

    supabase-url       = local.both
    supabase-anon-key  = local.both
    openrouter-api-key = local.both
    jwt-secret-key     = local.both
    jquants-api-key    = local.both
  }
}

module "secrets" {
  source = "./modules/secrets"

  project_id = var.project_id
  prefix     = local.secret_prefix
  readers    = local.readers
  accounts   = module.identities.emails
  deployer   = module.identities.emails["deployer"]
}
