variable "project_id" { type = string }
variable "region" { type = string }

variable "name" {
  description = "The name of the service and of its parameter."
  type        = string
}

variable "account" { type = string }
variable "worker_pool" { type = string }
variable "worker_account" { type = string }

variable "config" {
  description = "What the variables in api/crema.yaml stand for."
  type        = map(string)
}
