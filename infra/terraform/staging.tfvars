# What is staging's own. Whose project it is stands in staging.project.tfvars, which infra/bootstrap.sh writes.
environment  = "staging"
refs         = ["refs/heads/staging"]
ref_prefixes = ["refs/heads/release/"]
connector    = { name = "kaboom-vpc-staging", cidr = "10.8.0.16/28" }
redis        = { name = "redis-asia-northeast1-staging", memory_size_gb = 1, persistence = "DISABLED" }
