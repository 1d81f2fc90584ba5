# What is production's own. Whose project it is stands in production.project.tfvars, which infra/bootstrap.sh writes.
environment = "production"
refs        = ["refs/heads/main"]
redis       = { name = "redis-asia-northeast1", tier = "STANDARD_HA", memory_size_gb = 1, persistence = "DISABLED" }
instances   = {}

# Of the Cloud SQL that Terraform makes where ….project.tfvars says make_database.
database = { tier = "db-custom-1-6144", regional = true, connections = 400 }
