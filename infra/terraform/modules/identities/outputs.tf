output "emails" {
  description = "The addresses of the accounts, by api, worker, builder, deployer, auditor, scheduler, scaler and influxdb."
  value       = local.emails
}
