output "provider" {
  description = "What google-github-actions/auth asks for as workload_identity_provider."
  value       = "${local.pool}/providers/${google_iam_workload_identity_pool_provider.github.workload_identity_pool_provider_id}"
}
