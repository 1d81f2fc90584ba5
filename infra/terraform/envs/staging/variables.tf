variable "project_id" {
  type    = string
  default = "kaboom-472705"
}

variable "project_number" {
  type    = string
  default = "657734233816"
}

variable "region" {
  type    = string
  default = "asia-northeast1"
}

variable "network" {
  description = "The VPC network that the connector and Memorystore are in."
  type        = string
  default     = "default"
}

variable "connector_cidr" {
  description = "The /28 of kaboom-vpc-staging. Where it exists, the one that it has."
  type        = string
  default     = "10.8.0.16/28"
}

variable "direct_egress_cidr" {
  description = "The range, /26 or wider, of a subnetwork for Direct VPC egress beside the connector; a worker pool needs one."
  type        = string
  default     = null
}

variable "worker_pool" {
  description = "Whether the worker is a worker pool with a scaler, instead of a service."
  type        = bool
  default     = false
}

variable "redis_name" {
  type    = string
  default = "redis-asia-northeast1-staging"
}

variable "redis_memory_size_gb" {
  type    = number
  default = 1
}

variable "github_repository" {
  description = "owner/name"
  type        = string
}

variable "github_repository_id" {
  description = "The number of the repository: gh api repos/OWNER/NAME --jq .id"
  type        = string
}

variable "alert_emails" {
  description = "Who gets mail when an alert fires."
  type        = list(string)
}

variable "alert_channels" {
  description = "Notification channels that were made by hand: projects/PROJECT/notificationChannels/NUMBER."
  type        = list(string)
  default     = []
}
