# What is staging's own. Whose project it is stands in staging.project.tfvars, which infra/bootstrap.sh writes.
environment  = "staging"
refs         = ["refs/heads/staging"]
ref_prefixes = ["refs/heads/release/"]
connector    = { name = "kaboom-vpc-staging", cidr = "10.8.0.16/28" }
redis        = { name = "redis-asia-northeast1-staging", tier = "BASIC", memory_size_gb = 1, persistence = "DISABLED" }

# Nobody pays for an API that nobody calls, nor for its collector. The worker takes jobs off Redis, and no request would wake it.
instances = { API_MIN_INSTANCES = "0", API_MAX_INSTANCES = "2", WORKER_MAX_INSTANCES = "2", WORKER_SLOTS = "8" }

# Sizes of what Terraform makes where ….project.tfvars says make_database and make_influxdb.
database = { tier = "db-custom-1-3840", regional = false }
influxdb = { machine_type = "e2-small", disk_gb = 20, cidr = "10.8.1.16/28" }
