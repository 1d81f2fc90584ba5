variable "project_id" { type = string }

variable "prefix" {
  description = "What the name of each secret begins with; empty for production."
  type        = string
}

variable "readers" {
  description = "The accounts, api or worker, that read each secret."
  type        = map(list(string))
}

variable "accounts" { type = map(string) }
variable "deployer" { type = string }
