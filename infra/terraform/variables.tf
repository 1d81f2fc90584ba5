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

variable "ranges" {
  description = "Addresses of Cloud Run, a /26 or wider, and of Google's servers, a /20 or wider. Others only where a VPN or a peering of yours uses these."
  type        = object({ run = string, google = string })
  default     = { run = "10.9.0.0/24", google = "10.64.0.0/20" }
}

variable "redis" {
  description = "With persistence RDB it takes a snapshot each hour; restored, it brings back jobs that have ended since, which the ledger then corrects."
  type = object({
    name           = string
    tier           = string
    memory_size_gb = number
    persistence    = string
  })

  validation {
    condition     = var.redis.memory_size_gb >= 1 && var.redis.memory_size_gb <= 300
    error_message = "Memorystore has from 1 to 300 GB."
  }

  validation {
    condition     = contains(["DISABLED", "RDB"], var.redis.persistence)
    error_message = "Its persistence is DISABLED or RDB."
  }
}

variable "instances" {
  description = "Values for infra/deploy/variables that this environment has of its own."
  type        = map(string)
}

variable "make_database" {
  description = "Whether Terraform makes a Cloud SQL; else the secret database-url names a server of your own."
  type        = bool
  default     = false
}

variable "database" { type = object({ tier = string, regional = bool, connections = number }) }

variable "worker_pool" {
  description = "Whether the worker is a worker pool with a scaler, instead of a service."
  type        = bool
  default     = false
}

variable "github_repository" {
  description = "The repository on GitHub: owner/name."
  type        = string

  validation {
    condition     = can(regex("^[\\w.-]+/[\\w.-]+$", var.github_repository))
    error_message = "It is owner/name."
  }
}

variable "github_repository_id" {
  description = "The repository's number: `gh api repos/OWNER/NAME --jq .id`."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.github_repository_id))
    error_message = "It is a number."
  }
}

variable "refs" {
  description = "The branches that may deploy here, such as refs/heads/main."
  type        = list(string)

  validation {
    condition     = length(var.refs) > 0
    error_message = "Without a branch every branch could deploy, or none."
  }
}

variable "ref_prefixes" {
  description = "What the names of further such branches begin with, such as refs/heads/release/."
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
  description = "Further notification channels: projects/PROJECT/notificationChannels/NUMBER."
  type        = list(string)
  default     = []
}

variable "budget" {
  description = "What the project may cost in a month before mail is sent, and its billing account; or null."
  type        = object({ billing_account = string, amount = number, currency = string })
  default     = null
}
