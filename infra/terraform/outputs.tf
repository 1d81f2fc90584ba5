output "github_variables" {
  description = "The variables of the GitHub environment that deploy.yml reads."
  value = merge(var.instances, {
    PROJECT_ID    = var.project_id
    REGION        = var.region
    WIF_PROVIDER  = module.federation.provider
    VPC_CONNECTOR = try(var.connector.name, "")
    API_URL       = "https://${local.api_host}"
    WORKER_KIND   = var.worker_pool ? "pool" : "service"
    NETWORK       = var.network
    SUBNETWORK    = local.subnetwork
    DATA_BUCKET   = module.files.bucket
  })
}

output "servers" {
  description = "What infra/bootstrap.sh makes the secrets of; null for a server that Terraform does not make."
  value       = { database = one(module.database[*].server), influxdb = one(module.influxdb[*].url) }
}

output "redis_address" {
  description = "What the Redis URLs in the secrets name."
  value       = module.redis.address
}
