variable "project_id" { type = string }
variable "project_number" { type = string }
variable "pool_id" { type = string }

variable "repository" {
  description = "The repository on GitHub: owner/name."
  type        = string

  validation {
    condition     = can(regex("^[\\w.-]+/[\\w.-]+$", var.repository))
    error_message = "It is owner/name."
  }
}

variable "repository_id" {
  description = "The repository's number: `gh api repos/OWNER/NAME --jq .id`."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.repository_id))
    error_message = "It is a number."
  }
}

variable "environment" {
  description = "The GitHub environment whose jobs may act as the accounts."
  type        = string
}

variable "refs" {
  description = "The branches that may deploy, such as refs/heads/main."
  type        = list(string)

  validation {
    condition     = length(var.refs) > 0
    error_message = "Without a branch every branch could deploy, or none."
  }
}

variable "ref_prefixes" {
  description = "What the names of further branches begin with, such as refs/heads/release/."
  type        = list(string)
}

variable "accounts" {
  description = "The addresses of the accounts that GitHub may act as, by builder and deployer."
  type        = map(string)
}

variable "auditor" {
  description = "The address of the account that audit.yml may act as."
  type        = string
}
