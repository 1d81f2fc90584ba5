variable "project_id" { type = string }
variable "region" { type = string }

variable "repositories" {
  description = "The names of the repositories, by api and worker."
  type        = map(string)
}

variable "builder" { type = string }
variable "deployer" { type = string }
variable "auditor" { type = string }
