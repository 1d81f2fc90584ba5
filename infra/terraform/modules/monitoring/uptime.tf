# /healthz would do, but Google's front end answers that path of a Cloud Run address itself, with 404.

resource "google_monitoring_uptime_check_config" "api" {
  # An API without a least instance would be kept awake by it.
  count = var.api_sleeps ? 0 : 1

  project          = var.project_id
  display_name     = "${var.api}: /readyz"
  timeout          = "10s"
  period           = "60s"
  selected_regions = ["ASIA_PACIFIC", "USA", "EUROPE"]

  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project_id, host = var.api_host }
  }

  http_check {
    path         = "/readyz"
    port         = 443
    use_ssl      = true
    validate_ssl = true
  }
}

resource "google_monitoring_alert_policy" "api_away" {
  count = var.api_sleeps ? 0 : 1

  project               = var.project_id
  display_name          = "${var.api} does not answer"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = var.channels

  conditions {
    display_name = "/readyz failed from two regions for three minutes"

    condition_threshold {
      filter          = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND metric.labels.check_id=\"${google_monitoring_uptime_check_config.api[0].uptime_check_id}\" AND resource.type=\"uptime_url\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "180s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
      }
    }
  }

  documentation {
    content   = "The API, its Redis or its ledger is away: the answer of /readyz names the part."
    mime_type = "text/markdown"
  }
}
