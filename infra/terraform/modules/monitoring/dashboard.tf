resource "google_monitoring_dashboard" "kaboom" {
  project = var.project_id
  dashboard_json = templatefile("${path.module}/dashboard.json", {
    title    = var.dashboard
    services = "${var.api}|${var.worker}"
    redis    = var.redis
  })
}
