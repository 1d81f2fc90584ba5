# Mail needs no secret. A channel that does, such as Slack or PagerDuty, is made by hand and named by its id.

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.emails)

  project      = var.project_id
  type         = "email"
  display_name = "Kaboom${var.suffix}: ${each.value}"
  labels       = { email_address = each.value }
}

locals {
  channels = concat([for channel in google_monitoring_notification_channel.email : channel.id], var.channels)
}
