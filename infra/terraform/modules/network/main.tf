# How Cloud Run reaches Memorystore: a connector, a subnetwork for Direct VPC egress, or, while one moves
# from the first to the second, both.

resource "google_vpc_access_connector" "this" {
  count = var.connector == null ? 0 : 1

  project       = var.project_id
  region        = var.region
  name          = var.connector.name
  network       = var.network
  ip_cidr_range = var.connector.cidr
  machine_type  = "e2-micro"
  min_instances = 2
  max_instances = 3
}

# Cloud Run takes two addresses for each instance, and keeps them for a while after it ended: a /26 carries 16.
resource "google_compute_subnetwork" "direct" {
  count = var.subnetwork == null ? 0 : 1

  project                  = var.project_id
  region                   = var.region
  name                     = var.subnetwork.name
  network                  = var.network
  ip_cidr_range            = var.subnetwork.cidr
  private_ip_google_access = true
}
