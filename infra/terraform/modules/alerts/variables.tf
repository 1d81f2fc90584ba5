variable "project_id" { type = string }
variable "project_number" { type = string }
variable "budget" { type = object({ billing_account = string, amount = number, currency = string }) }

variable "suffix" {
  description = "What the names of policies and channels end with; empty for production."
  type        = string
}

variable "rules_file" { type = string }

variable "services" {
  description = "The Cloud Run services whose metrics are meant."
  type        = list(string)
}

variable "emails" { type = list(string) }

variable "channels" {
  description = "Further notification channels: projects/PROJECT/notificationChannels/NUMBER."
  type        = list(string)
}
