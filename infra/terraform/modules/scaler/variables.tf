variable "project_id" {
  type = string
}

variable "region" {
  type = string
}

variable "name" {
  description = "The name of the service and of its parameter."
  type        = string
}

variable "account" {
  description = "The address of the account that it runs as."
  type        = string
}

variable "worker_pool" {
  description = "The name of the pool that it scales."
  type        = string
}

variable "worker_account" {
  description = "The address of the account that the pool runs as."
  type        = string
}

variable "config" {
  description = "What the variables in api/crema.yaml stand for."
  type        = map(string)
}
