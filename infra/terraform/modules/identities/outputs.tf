output "emails" {
  description = "The addresses of the accounts, by api, worker, builder, deployer, scheduler and scaler."
  value       = local.emails
}
