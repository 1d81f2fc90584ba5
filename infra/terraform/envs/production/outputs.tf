output "github_variables" {
  description = "terraform output -json github_variables: what the GitHub environment holds."
  value       = module.kaboom.github_variables
}

output "redis_address" {
  value = module.kaboom.redis_address
}
