variable "project_id" { type = string }
variable "api" { type = string }
variable "api_host" { type = string }
variable "api_sleeps" { type = bool }
variable "worker" { type = string }
variable "redis" { type = string }
variable "dashboard" { type = string }
variable "channels" { type = list(string) }
