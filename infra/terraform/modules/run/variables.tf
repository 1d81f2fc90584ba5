variable "project_id" { type = string }
variable "region" { type = string }

variable "services" {
  description = "The services: name, the account they run as, who reaches them over the network, and whether anybody may call them."
  type = map(object({
    name    = string
    account = string
    ingress = string
    public  = bool
  }))
}

variable "worker_pool" {
  description = "The worker pool: name and the account it runs as. Null: none."
  type        = object({ name = string, account = string })
}

variable "jobs" {
  description = "The jobs: name and the account they run as."
  type        = map(object({ name = string, account = string }))
}

variable "deployer" { type = string }
