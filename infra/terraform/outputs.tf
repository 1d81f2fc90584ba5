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
  })
}

output "redis_address" {
  description = "What the Redis URLs in the secrets name."
  value       = module.redis.address
}
