variable "project_id" {
  type = string
}

variable "prefix" {
  description = "What the name of each secret begins with; empty for production."
  type        = string
}

variable "readers" {
  description = "The accounts, api or worker, that read each secret."
  type        = map(list(string))
}

variable "accounts" {
  description = "The addresses of the accounts, by api and worker."
  type        = map(string)
}

variable "deployer" {
  description = "The address of the account that deploys."
  type        = string
}
