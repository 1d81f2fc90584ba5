# One environment of Kaboom, whole.

module "identities" {
  source = "./modules/identities"

  project_id = var.project_id
  suffix     = local.suffix
  further = merge(
    var.worker_pool ? { scaler = "scales the worker pool" } : {},
    var.make_influxdb ? { influxdb = "runs InfluxDB" } : {},
  )
}

module "federation" {
  source = "./modules/federation"

  project_id     = var.project_id
  project_number = var.project_number
  pool_id        = "kaboom-github${local.suffix}"
  repository     = var.github_repository
  repository_id  = var.github_repository_id
  environment    = var.environment
  refs           = var.refs
  ref_prefixes   = var.ref_prefixes
  accounts = {
    builder  = module.identities.emails["builder"]
    deployer = module.identities.emails["deployer"]
  }
  auditor = module.identities.emails["auditor"]
}

module "registry" {
  source = "./modules/registry"

  project_id   = var.project_id
  region       = var.region
  repositories = local.repositories
  builder      = module.identities.emails["builder"]
  deployer     = module.identities.emails["deployer"]
  auditor      = module.identities.emails["auditor"]
}

module "network" {
  source = "./modules/network"

  project_id = var.project_id
  region     = var.region
  network    = var.network
  connector  = var.connector
  subnetwork = var.direct_egress_cidr == null ? null : { name = local.subnetwork, cidr = var.direct_egress_cidr }
}

module "redis" {
  source = "./modules/redis"

  project_id     = var.project_id
  region         = var.region
  network        = var.network
  name           = var.redis.name
  tier           = var.redis.tier
  memory_size_gb = var.redis.memory_size_gb
  persistence    = var.redis.persistence
}

module "files" {
  source = "./modules/files"

  project_id = var.project_id
  region     = var.region
  name       = local.bucket
  members = {
    api    = { account = module.identities.emails["api"], role = "roles/storage.objectViewer" }
    worker = { account = module.identities.emails["worker"], role = "roles/storage.objectUser" }
  }
}

module "database" {
  source = "./modules/database"
  count  = var.make_database ? 1 : 0

  project_id = var.project_id
  region     = var.region
  network    = var.network
  name       = "kaboom${local.suffix}"
  size       = var.database
  bucket     = module.files.bucket
  roles      = file("${path.module}/../database/roles.sql")
}

module "influxdb" {
  source = "./modules/influxdb"
  count  = var.make_influxdb ? 1 : 0

  project_id   = var.project_id
  region       = var.region
  network      = var.network
  name         = "kaboom-influxdb${local.suffix}"
  account      = module.identities.emails["influxdb"]
  size         = var.influxdb
  sources      = compact([try(var.connector.cidr, null), var.direct_egress_cidr])
  token_secret = "${local.secret_prefix}influxdb-token"

  depends_on = [module.secrets]
}

module "run" {
  source = "./modules/run"

  project_id = var.project_id
  region     = var.region
  deployer   = module.identities.emails["deployer"]

  services = {
    # Its own token guards it: whoever has none gets 401 from the first middleware.
    api = {
      name    = local.api_service
      account = module.identities.emails["api"]
      ingress = "INGRESS_TRAFFIC_ALL"
      public  = true
    }
    worker = {
      name    = local.worker_service
      account = module.identities.emails["worker"]
      ingress = "INGRESS_TRAFFIC_INTERNAL_ONLY"
      public  = false
    }
  }

  worker_pool = var.worker_pool ? { name = local.worker_service, account = module.identities.emails["worker"] } : null

  jobs = { for key, name in local.jobs : key => { name = name, account = module.identities.emails["worker"] } }
}

module "scheduler" {
  source = "./modules/scheduler"

  project_id = var.project_id
  region     = var.region
  job        = local.jobs["nightly"]
  schedule   = var.nightly_schedule
  account    = module.identities.emails["scheduler"]

  depends_on = [module.run]
}

module "alerts" {
  source = "./modules/alerts"

  project_id     = var.project_id
  project_number = var.project_number
  suffix         = local.suffix
  rules_file     = "${path.module}/../alerts/kaboom.rules.yaml"
  services       = [local.api_service, local.worker_service]
  emails         = var.alert_emails
  channels       = var.alert_channels
  budget         = var.budget
}

module "monitoring" {
  source = "./modules/monitoring"

  project_id = var.project_id
  api        = local.api_service
  api_host   = local.api_host
  api_sleeps = local.instances["API_MIN_INSTANCES"] == "0"
  worker     = local.worker_service
  redis      = var.redis.name
  dashboard  = "Kaboom: ${var.environment}"
  channels   = module.alerts.channels
}

module "scaler" {
  source = "./modules/scaler"
  count  = var.worker_pool ? 1 : 0

  project_id     = var.project_id
  region         = var.region
  name           = "kaboom-scaler${local.suffix}"
  account        = module.identities.emails["scaler"]
  worker_pool    = local.worker_service
  worker_account = module.identities.emails["worker"]

  config = {
    PROJECT_ID           = var.project_id
    REGION               = var.region
    API_SERVICE          = local.api_service
    WORKER_SERVICE       = local.worker_service
    WORKER_MIN_INSTANCES = local.instances["WORKER_MIN_INSTANCES"]
    WORKER_MAX_INSTANCES = local.instances["WORKER_MAX_INSTANCES"]
  }

  depends_on = [module.run]
}
