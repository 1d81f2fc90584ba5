variable "project_id" { type = string }
variable "region" { type = string }
variable "network" { type = string }
variable "name" { type = string }
variable "size" { type = object({ tier = string, regional = bool }) }
variable "bucket" { type = string }
variable "roles" { type = string }
