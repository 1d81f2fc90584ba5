# No secret: the AUTH string is asked of gcloud, not of here.
output "address" { value = "${google_redis_instance.this.host}:${google_redis_instance.this.port}" }
