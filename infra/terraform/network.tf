# The environment's own network. Cloud Run is in it by Direct VPC egress; Cloud SQL and Memorystore are in Google's network,
# which is peered with it.

resource "google_compute_network" "own" {
  project                 = var.project_id
  name                    = local.network
  auto_create_subnetworks = false
}

# Cloud Run takes two addresses for each instance, and keeps them for a while after it ended: a /24 carries 100.
resource "google_compute_subnetwork" "run" {
  project                  = var.project_id
  region                   = var.region
  name                     = local.subnetwork
  network                  = google_compute_network.own.id
  ip_cidr_range            = var.ranges.run
  private_ip_google_access = true
}

resource "google_compute_global_address" "google" {
  project       = var.project_id
  name          = "kaboom-google${local.suffix}"
  network       = google_compute_network.own.id
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  address       = split("/", var.ranges.google)[0]
  prefix_length = tonumber(split("/", var.ranges.google)[1])
}

resource "google_service_networking_connection" "google" {
  network                 = google_compute_network.own.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.google.name]
  # Google refuses to undo it while one of its servers is there.
  deletion_policy = "ABANDON"
}
