output "channels" {
  description = "The ids of all channels."
  value       = local.channels
}
