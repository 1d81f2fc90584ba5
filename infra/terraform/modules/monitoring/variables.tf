variable "project_id" {
  type = string
}

variable "api" {
  description = "The name of the API's service."
  type        = string
}

variable "api_host" {
  description = "The host that the API answers at."
  type        = string
}

variable "worker" {
  description = "The name of the worker's service, or of its pool."
  type        = string
}

variable "redis" {
  description = "The name of the Memorystore instance."
  type        = string
}

variable "dashboard" {
  description = "The title of the dashboard."
  type        = string
}

variable "channels" {
  description = "The ids of the notification channels."
  type        = list(string)
}
