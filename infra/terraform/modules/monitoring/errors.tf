# An alert from the logs: it also sees a worker that dies before it can count.

resource "google_logging_metric" "worker_errors" {
  project     = var.project_id
  name        = "${var.worker}-errors"
  description = "Lines of ERROR or worse of the worker"

  filter = join(" AND ", [
    "severity>=ERROR",
    "(${join(" OR ", [
      "(resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${var.worker}\")",
      "(resource.type=\"cloud_run_worker_pool\" AND resource.labels.worker_pool_name=\"${var.worker}\")",
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

# Cloud Run's own log says when a container ends by itself, takes too much memory or fails its probe: no metric of Kaboom
# can, since an instance that was started again is another series.
resource "google_logging_metric" "api_restarts" {
  project     = var.project_id
  name        = "${var.api}-restarts"
  description = "Containers of the API that ended against their will"

  filter = join(" AND ", [
    "resource.type=\"cloud_run_revision\"",
    "resource.labels.service_name=\"${var.api}\"",
    "logName=\"projects/${var.project_id}/logs/run.googleapis.com%2Fvarlog%2Fsystem\"",
    "severity>=WARNING",
  ])

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
  }
}

resource "google_monitoring_alert_policy" "api_restarts" {
  project               = var.project_id
  display_name          = "Restarts of ${var.api}"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = var.channels

  conditions {
    display_name = "More than 3 in 15 minutes"

    condition_threshold {
      filter          = "metric.type=\"logging.googleapis.com/user/${google_logging_metric.api_restarts.name}\" AND resource.type=\"cloud_run_revision\""
      comparison      = "COMPARISON_GT"
      threshold_value = 3
      duration        = "0s"

      aggregations {
        alignment_period     = "900s"
        per_series_aligner   = "ALIGN_DELTA"
        cross_series_reducer = "REDUCE_SUM"
      }
    }
  }

  documentation {
    content   = "Containers of the API ended by themselves, ran out of memory or did not answer their probe. The log of Cloud Run says which: resource.type=cloud_run_revision, log name run.googleapis.com/varlog/system."
    mime_type = "text/markdown"
  }
}
