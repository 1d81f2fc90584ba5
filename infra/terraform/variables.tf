variable "environment" {
  description = "production or staging; also the name of the GitHub environment."
  type        = string
}

variable "project_id" { type = string }
variable "project_number" { type = string }

variable "region" {
  type    = string
  default = "asia-northeast1"
}

variable "network" {
  description = "The VPC network of Memorystore and of what reaches it."
  type        = string
  default     = "default"
}

variable "connector" {
  description = "The Serverless VPC Access connector, or null."
  type        = object({ name = string, cidr = string })
}

variable "direct_egress_cidr" {
  description = "The range of a subnetwork for Direct VPC egress, or null."
  type        = string
  default     = null

  validation {
    condition     = var.direct_egress_cidr != null || var.connector != null
    error_message = "Without a connector and without a subnetwork nothing reaches Redis."
  }
}

variable "redis" {
  type = object({
    name           = string
    tier           = string
    memory_size_gb = number
    persistence    = string
  })
}

variable "instances" { type = map(string) }

variable "make_database" {
  description = "Whether Terraform makes a Cloud SQL; else the secret database-url names a server of your own."
  type        = bool
  default     = false
}

variable "database" { type = object({ tier = string, regional = bool }) }

variable "make_influxdb" {
  description = "Whether Terraform makes a VM with InfluxDB; else the secrets name a server of your own."
  type        = bool
  default     = false
}

variable "influxdb" {
  description = "The VM, and a range of /28 or wider that nothing else uses."
  type        = object({ machine_type = string, disk_gb = number, cidr = string })
}

variable "worker_pool" {
  description = "Whether the worker is a worker pool with a scaler, instead of a service."
  type        = bool
  default     = false

  validation {
    condition     = !var.worker_pool || var.direct_egress_cidr != null
    error_message = "A worker pool that is deployed from a manifest has no connector: it needs direct_egress_cidr."
  }
}

variable "github_repository" { type = string }
variable "github_repository_id" { type = string }

variable "refs" {
  description = "The branches that may deploy here."
  type        = list(string)
}

variable "ref_prefixes" {
  description = "What the names of further such branches begin with."
  type        = list(string)
  default     = []
}

variable "nightly_schedule" {
  description = "When the second source asks for what is missing, in Japan's time: after the ingest, before its alert."
  type        = string
  default     = "30 17 * * 1-5"
}

variable "alert_emails" {
  type = list(string)

  validation {
    condition     = length(var.alert_emails) > 0
    error_message = "Somebody has to hear of an alert."
  }
}

variable "alert_channels" {
  type    = list(string)
  default = []
}

variable "budget" {
  description = "What the project may cost in a month before mail is sent, and its billing account; or null."
  type        = object({ billing_account = string, amount = number, currency = string })
  default     = null
}
