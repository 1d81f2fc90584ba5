# An alert from the logs: it also sees a worker that dies before it can count.

resource "google_logging_metric" "worker_errors" {
  project     = var.project_id
  name        = "${var.worker}-errors"
  description = "Lines of ERROR or worse of the worker"

  filter = join(" AND ", [
    "severity>=ERROR",
    "(${join(" OR ", [
      "(resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.worker}\")",
      "(resource.type=\"cloud_run_worker_pool\" AND resource.labels.worker_pool_name=\"${var.worker_pool}\")",
    ])})",
  ])

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_monitoring_alert_policy" "worker_errors" {
  project               = var.project_id
  display_name          = "Errors in the log of ${var.worker}"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.channels

  conditions {
    display_name = "More than 5 in a minute"

    condition_threshold {
      filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.worker_errors.name}\" AND resource.type=one_of(\"cloud_run_revision\", \"cloud_run_worker_pool\")"
      comparison      = "COMPARISON_GT"
      threshold_value = 5
      duration        = "0s"

      aggregations {
        alignment_period     = "60s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content   = "More than five lines of ERROR or worse within a minute. `kaboom jobs list` shows which jobs failed, `kaboom jobs show` why."
    mime_type = "text/markdown"
  }
}
