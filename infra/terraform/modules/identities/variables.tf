variable "project_id" { type = string }

variable "has_scaler" {
  description = "Whether a worker pool has to be scaled."
  type        = bool
}

variable "suffix" {
  description = "What the name of each account ends with; empty for production."
  type        = string
}
