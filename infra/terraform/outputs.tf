output "github_variables" {
  description = "The variables of the GitHub environment that deploy.yml reads."
  value = merge(var.instances, {
    PROJECT_ID   = var.project_id
    REGION       = var.region
    WIF_PROVIDER = "${local.pool}/providers/${google_iam_workload_identity_pool_provider.github.workload_identity_pool_provider_id}"
    API_URL      = "https://${local.api_host}"
    WORKER_KIND  = var.worker_pool ? "pool" : "service"
    NETWORK      = local.network
    SUBNETWORK   = local.subnetwork
    DATA_BUCKET  = google_storage_bucket.files.name
  })
}

output "database" {
  description = "What infra/bootstrap.sh makes the secret database-url of; nulls where Terraform makes no server."
  value = {
    name    = one(google_sql_database_instance.kaboom[*].name)
    address = one(google_sql_database_instance.kaboom[*].private_ip_address)
  }
}

# No secret: the AUTH string is asked of gcloud, not of here.
output "redis_address" {
  description = "What the Redis URLs in the secrets name."
  value       = "${google_redis_instance.redis.host}:${google_redis_instance.redis.port}"
}
