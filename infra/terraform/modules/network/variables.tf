variable "project_id" { type = string }
variable "region" { type = string }
variable "network" { type = string }

variable "connector" {
  description = "The Serverless VPC Access connector: its name and a /28 that nothing else uses. Null: none."
  type        = object({ name = string, cidr = string })
}

variable "subnetwork" {
  description = "The subnetwork of Direct VPC egress: its name and a range of /26 or wider. Null: none."
  type        = object({ name = string, cidr = string })
}
