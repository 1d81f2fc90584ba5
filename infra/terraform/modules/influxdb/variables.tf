variable "project_id" { type = string }
variable "region" { type = string }
variable "network" { type = string }
variable "name" { type = string }
variable "account" { type = string }
variable "size" { type = object({ machine_type = string, disk_gb = number, cidr = string }) }

variable "sources" {
  description = "The ranges that Cloud Run comes from."
  type        = list(string)
}

variable "token_secret" {
  description = "The secret that holds the token, which the server is set up with."
  type        = string
}
