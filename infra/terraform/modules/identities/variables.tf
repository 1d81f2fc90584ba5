variable "project_id" { type = string }

variable "further" {
  description = "Accounts that not every environment has, each with what it does."
  type        = map(string)
}

variable "suffix" {
  description = "What the name of each account ends with; empty for production."
  type        = string
}
