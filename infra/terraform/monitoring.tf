# Alerts that no metric of Kaboom's can give: from the logs, and from outside.

locals {
  # As PromQL names metrics that come of the log.
  log_metrics = {
    worker_errors = "logging_googleapis_com:user_${replace(google_logging_metric.worker_errors.name, "-", "_")}"
    api_restarts  = "logging_googleapis_com:user_${replace(google_logging_metric.api_restarts.name, "-", "_")}"
  }
  worker_resource = var.worker_pool ? "cloud_run_worker_pool" : "cloud_run_revision"
}

# It also sees a worker that dies before it can count.

resource "google_logging_metric" "worker_errors" {
  project     = var.project_id
  name        = "${local.worker_service}-errors"
  description = "Lines of ERROR or worse of the worker"

  filter = join(" AND ", [
    "severity>=ERROR",
    "(${join(" OR ", [
      "(resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"${local.worker_service}\")",
      "(resource.type=\"cloud_run_worker_pool\" AND resource.labels.worker_pool_name=\"${local.worker_service}\")",
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
  display_name          = "Errors in the log of ${local.worker_service}"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels

  conditions {
    display_name = "More than 5 in a minute"

    condition_prometheus_query_language {
      query               = "sum(increase(${local.log_metrics.worker_errors}{monitored_resource=\"${local.worker_resource}\"}[1m])) > 5"
      duration            = "0s"
      evaluation_interval = "60s"

      # A metric of the log exists some minutes after it was made, which is after the first apply.
      disable_metric_validation = true
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
  name        = "${local.api_service}-restarts"
  description = "Containers of the API that ended against their will"

  filter = join(" AND ", [
    "resource.type=\"cloud_run_revision\"",
    "resource.labels.service_name=\"${local.api_service}\"",
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
  display_name          = "Restarts of ${local.api_service}"
  combiner              = "OR"
  severity              = "ERROR"
  notification_channels = local.channels

  conditions {
    display_name = "More than 3 in 15 minutes"

    condition_prometheus_query_language {
      query               = "sum(increase(${local.log_metrics.api_restarts}{monitored_resource=\"cloud_run_revision\"}[15m])) > 3"
      duration            = "0s"
      evaluation_interval = "60s"

      disable_metric_validation = true
    }
  }

  documentation {
    content   = "Containers of the API ended by themselves, ran out of memory or did not answer their probe. The log of Cloud Run says which: resource.type=cloud_run_revision, log name run.googleapis.com/varlog/system."
    mime_type = "text/markdown"
  }
}

# /healthz would do, but Google's front end answers that path of a Cloud Run address itself, with 404.

resource "google_monitoring_uptime_check_config" "api" {
  # An API without a least instance would be kept awake by it.
  count = local.instances["API_MIN_INSTANCES"] == "0" ? 0 : 1

  project          = var.project_id
  display_name     = "${local.api_service}: /readyz"
  timeout          = "10s"
  period           = "60s"
  selected_regions = ["ASIA_PACIFIC", "USA", "EUROPE"]

  monitored_resource {
    type   = "uptime_url"
    labels = { project_id = var.project_id, host = local.api_host }
  }

  http_check {
    path         = "/readyz"
    port         = 443
    use_ssl      = true
    validate_ssl = true
  }
}

resource "google_monitoring_alert_policy" "api_away" {
  count = local.instances["API_MIN_INSTANCES"] == "0" ? 0 : 1

  project               = var.project_id
  display_name          = "${local.api_service} does not answer"
  combiner              = "OR"
  severity              = "CRITICAL"
  notification_channels = local.channels

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

resource "google_monitoring_dashboard" "kaboom" {
  project = var.project_id
  dashboard_json = templatefile("${path.module}/dashboard.json", {
    title    = "Kaboom: ${var.environment}"
    services = local.namespaces
    redis    = var.redis.name
  })
}
