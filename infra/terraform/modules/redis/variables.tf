variable "project_id" { type = string }
variable "region" { type = string }
variable "network" { type = string }
variable "name" { type = string }
variable "tier" { type = string }

variable "memory_size_gb" {
  type = number

  validation {
    condition     = var.memory_size_gb >= 1 && var.memory_size_gb <= 300
    error_message = "Memorystore has from 1 to 300 GB."
  }
}

variable "persistence" {
  description = "RDB takes a snapshot each hour; restored, it brings back jobs that have ended since, which the ledger then corrects."
  type        = string

  validation {
    condition     = contains(["DISABLED", "RDB"], var.persistence)
    error_message = "It is DISABLED or RDB."
  }
}
