# What is production's own. Whose project it is stands in production.project.tfvars, which infra/bootstrap.sh writes.
environment = "production"
refs        = ["refs/heads/main"]
connector   = { name = "kaboom-vpc-connector-2", cidr = "10.8.0.0/28" }
redis       = { name = "redis-asia-northeast1", tier = "STANDARD_HA", memory_size_gb = 1, persistence = "DISABLED" }
instances   = {}

# Sizes of what Terraform makes where ….project.tfvars says make_database and make_influxdb.
database = { tier = "db-custom-2-7680", regional = true }
influxdb = { machine_type = "e2-standard-2", disk_gb = 100, cidr = "10.8.1.0/28" }
