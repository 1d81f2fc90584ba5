# One repository for each image. Tags may move, as signatures do when an image is signed again: what runs is named by
# its digest.

resource "google_artifact_registry_repository" "image" {
  for_each = local.repositories

  project                = var.project_id
  location               = var.region
  repository_id          = each.value
  description            = "Kaboom: the image of ${each.key}, its signature and its bill of materials"
  format                 = "DOCKER"
  cleanup_policy_dry_run = false
  deletion_policy        = "PREVENT"

  # What to keep wins over what to delete. Fifty versions, with signatures, are some twelve releases to go back to.
  cleanup_policies {
    id     = "keep-the-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 50
    }
  }

  cleanup_policies {
    id     = "delete-the-old"
    action = "DELETE"
    condition {
      older_than = "7776000s"
    }
  }
}

resource "google_artifact_registry_repository_iam_member" "builder" {
  for_each = local.repositories

  project    = var.project_id
  location   = var.region
  repository = google_artifact_registry_repository.image[each.key].repository_id
  role       = "roles/artifactregistry.writer"
  member     = "serviceAccount:${local.emails["builder"]}"
}

# Cloud Run asks whether the account that deploys an image may read it.
resource "google_artifact_registry_repository_iam_member" "deployer" {
  for_each = local.repositories

  project    = var.project_id
  location   = var.region
  repository = google_artifact_registry_repository.image[each.key].repository_id
  role       = "roles/artifactregistry.reader"
  member     = "serviceAccount:${local.emails["deployer"]}"
}

# It scans them.
resource "google_artifact_registry_repository_iam_member" "auditor" {
  for_each = local.repositories

  project    = var.project_id
  location   = var.region
  repository = google_artifact_registry_repository.image[each.key].repository_id
  role       = "roles/artifactregistry.reader"
  member     = "serviceAccount:${local.emails["auditor"]}"
}
