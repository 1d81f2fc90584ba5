# Bars on one small VM: its data is on a disk of its own, which has a snapshot each night. It has no public address.

locals {
  zone = "${var.region}-b"
}

resource "google_compute_subnetwork" "this" {
  project       = var.project_id
  region        = var.region
  name          = var.name
  network       = var.network
  ip_cidr_range = var.size.cidr
  # To Secret Manager, and to the registry that the image comes from.
  private_ip_google_access = true
}

resource "google_compute_address" "this" {
  project      = var.project_id
  region       = var.region
  name         = var.name
  address_type = "INTERNAL"
  subnetwork   = google_compute_subnetwork.this.id
}

resource "google_compute_disk" "data" {
  project = var.project_id
  zone    = local.zone
  name    = "${var.name}-data"
  type    = "pd-balanced"
  size    = var.size.disk_gb

  lifecycle {
    prevent_destroy = true
    # A person may have put one made from a snapshot in its place (docs/operations/losses.md).
    ignore_changes = [snapshot]
  }
}

# In UTC: 03:00 in Japan.
resource "google_compute_resource_policy" "nightly" {
  project = var.project_id
  region  = var.region
  name    = "${var.name}-nightly"

  snapshot_schedule_policy {
    schedule {
      daily_schedule {
        days_in_cycle = 1
        start_time    = "18:00"
      }
    }

    retention_policy {
      max_retention_days    = 14
      on_source_disk_delete = "KEEP_AUTO_SNAPSHOTS"
    }
  }
}

resource "google_compute_disk_resource_policy_attachment" "nightly" {
  project = var.project_id
  zone    = local.zone
  disk    = google_compute_disk.data.name
  name    = google_compute_resource_policy.nightly.name
}

resource "google_compute_instance" "this" {
  project                   = var.project_id
  zone                      = local.zone
  name                      = var.name
  machine_type              = var.size.machine_type
  deletion_protection       = true
  allow_stopping_for_update = true

  boot_disk {
    initialize_params {
      image = "projects/cos-cloud/global/images/family/cos-stable"
    }
  }

  attached_disk {
    source      = google_compute_disk.data.id
    device_name = "data"
  }

  network_interface {
    subnetwork = google_compute_subnetwork.this.id
    network_ip = google_compute_address.this.address
  }

  service_account {
    email  = var.account
    scopes = ["cloud-platform"]
  }

  shielded_instance_config {
    enable_secure_boot = true
  }

  metadata = {
    enable-oslogin = "TRUE"
    startup-script = file("${path.module}/start.sh")
    token-secret   = "projects/${var.project_id}/secrets/${var.token_secret}"
  }
}

resource "google_compute_firewall" "influxdb" {
  project                 = var.project_id
  name                    = "${var.name}-api"
  network                 = var.network
  source_ranges           = var.sources
  target_service_accounts = [var.account]

  allow {
    protocol = "tcp"
    ports    = ["8086"]
  }
}

# Google's Identity-Aware Proxy, by which a person gets to a VM without a public address.
resource "google_compute_firewall" "ssh" {
  project                 = var.project_id
  name                    = "${var.name}-ssh"
  network                 = var.network
  source_ranges           = ["35.235.240.0/20"]
  target_service_accounts = [var.account]

  allow {
    protocol = "tcp"
    ports    = ["22"]
  }
}
