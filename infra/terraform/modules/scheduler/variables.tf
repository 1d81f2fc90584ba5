variable "project_id" { type = string }
variable "region" { type = string }
variable "job" { type = string }

variable "schedule" {
  description = "When, as five fields of cron, in Japan's time."
  type        = string
}

variable "account" {
  description = "The address of the account that starts it, and may do nothing else."
  type        = string
}
