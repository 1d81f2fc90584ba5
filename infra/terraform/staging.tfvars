# What is staging's own. Whose project it is stands in staging.project.tfvars, which infra/bootstrap.sh writes.
environment  = "staging"
refs         = ["refs/heads/staging"]
ref_prefixes = ["refs/heads/release/"]
redis        = { name = "redis-asia-northeast1-staging", tier = "BASIC", memory_size_gb = 1, persistence = "DISABLED" }

# Nobody pays for an API that nobody calls, nor for its collector. The worker takes jobs off Redis, and no request would wake it.
instances = { API_MIN_INSTANCES = "0", API_MAX_INSTANCES = "2", WORKER_MAX_INSTANCES = "2", WORKER_SLOTS = "8", WORKER_CPU = "1", WORKER_MEMORY = "2Gi" }

# Of the Cloud SQL that Terraform makes where ….project.tfvars says make_database.
database = { tier = "db-g1-small", regional = false, connections = 160 }
