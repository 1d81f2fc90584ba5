# GitHub's own tokens instead of keys: from one repository, from the branches of one environment.

locals {
  branches = concat(
    [for ref in var.refs : "assertion.ref == '${ref}'"],
    [for prefix in var.ref_prefixes : "assertion.ref.startsWith('${prefix}')"],
  )

  pool = "projects/${var.project_number}/locations/global/workloadIdentityPools/${google_iam_workload_identity_pool.github.workload_identity_pool_id}"
}

resource "google_iam_workload_identity_pool" "github" {
  project                   = var.project_id
  workload_identity_pool_id = "kaboom-github${local.suffix}"
  display_name              = "GitHub: ${var.environment}"
  description               = "Deployments of Kaboom from GitHub Actions"
  # The name of a deleted pool stays taken for 30 days.
  deletion_policy = "PREVENT"
}

resource "google_iam_workload_identity_pool_provider" "github" {
  project                            = var.project_id
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub Actions"

  # A job outside of a GitHub environment has no such claim, and gets nothing.
  attribute_mapping = {
    "google.subject"        = "assertion.sub"
    "attribute.repository"  = "assertion.repository"
    "attribute.ref"         = "assertion.ref"
    "attribute.environment" = "assertion.environment"
  }

  # The number too: a name that was given up can be taken by anybody.
  attribute_condition = join(" && ", [
    "assertion.repository == '${var.github_repository}'",
    "assertion.repository_id == '${var.github_repository_id}'",
    "(${join(" || ", local.branches)})",
  ])

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github" {
  for_each = toset(["builder", "deployer"])

  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails[each.key]}"
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${local.pool}/attribute.environment/${var.environment}"
}

# The audit looks at both environments from the default branch, each week and without reviewers: it is no GitHub environment's
# job, so the provider above gives it nothing.
resource "google_iam_workload_identity_pool_provider" "audit" {
  project                            = var.project_id
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "audit"
  display_name                       = "GitHub Actions: audit.yml"

  attribute_mapping = {
    "google.subject"    = "assertion.sub"
    "attribute.auditor" = "assertion.repository"
  }

  attribute_condition = join(" && ", [
    "assertion.repository == '${var.github_repository}'",
    "assertion.repository_id == '${var.github_repository_id}'",
    "assertion.workflow_ref == '${var.github_repository}/.github/workflows/audit.yml@refs/heads/main'",
  ])

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "audit" {
  service_account_id = "projects/${var.project_id}/serviceAccounts/${local.emails["auditor"]}"
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${local.pool}/attribute.auditor/${var.github_repository}"
}
