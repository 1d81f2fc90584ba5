variable "project_id" {
  type = string
}

variable "region" {
  type = string
}

variable "repositories" {
  description = "The names of the repositories, by api and worker."
  type        = map(string)
}

variable "builder" {
  description = "The address of the account that pushes."
  type        = string
}

variable "deployer" {
  description = "The address of the account that deploys."
  type        = string
}
