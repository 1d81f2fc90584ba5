# One policy for each alert of the rules file that Prometheus reads, too: one expression, two systems.

locals {
  alerts = merge([
    for group in yamldecode(file(var.rules_file)).groups : {
      for rule in group.rules : rule.alert => {
        group          = group.name
        interval       = group.interval
        expr           = rule.expr
        for            = rule.for
        severity       = rule.labels.severity
        summary        = rule.annotations.summary
        summary_ja     = rule.annotations.summary_ja
        description    = rule.annotations.description
        description_ja = rule.annotations.description_ja
        runbook        = rule.annotations.runbook
      }
    }
  ]...)

  # Two environments may live in one project, and their metrics in one store: each asks for those of its own services.
  services = join("|", var.services)
  queries = {
    for name, alert in local.alerts : name => replace(
      replace(alert.expr, "/\\b(kaboom_[a-z0-9_]+)\\{/", "$1{namespace=~\"${local.services}\","),
      "/\\b(kaboom_[a-z0-9_]+)([^a-z0-9_{]|$)/", "$1{namespace=~\"${local.services}\"}$2",
    )
  }

  severities = { page = "CRITICAL", warning = "WARNING" }
}

resource "google_monitoring_alert_policy" "this" {
  for_each = local.alerts

  project               = var.project_id
  display_name          = "${each.key}${var.suffix}"
  combiner              = "OR"
  severity              = local.severities[each.value.severity]
  notification_channels = local.channels

  conditions {
    display_name = each.value.summary

    condition_prometheus_query_language {
      query               = local.queries[each.key]
      duration            = each.value.for
      evaluation_interval = each.value.interval
      rule_group          = each.value.group
      alert_rule          = each.key
      labels              = { severity = each.value.severity }

      # A metric exists once the first worker has shown it, which is after the first apply.
      disable_metric_validation = true
    }
  }

  documentation {
    subject   = each.value.summary
    content   = "${each.value.description}\n\n${each.value.summary_ja}。${each.value.description_ja}\n\nWhat to do · 対応手順: ${each.value.runbook}"
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }
}
