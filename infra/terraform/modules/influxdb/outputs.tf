output "url" { value = "http://${google_compute_address.this.address}:8086" }
