variable "project_id" { type = string }
variable "region" { type = string }
variable "name" { type = string }
variable "members" { type = map(object({ account = string, role = string })) }
