# Terraform keeps this file: infra/bootstrap.sh adds the checksums, by `terraform providers lock`.

provider "registry.terraform.io/hashicorp/google" {
  version     = "8.7.0"
  constraints = "~> 8.7"
}
