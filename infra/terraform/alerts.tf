# One policy for each alert of the rules file that Prometheus reads, too: one expression, two systems.

locals {
  alerts = merge([
    for group in yamldecode(file("${path.module}/../alerts/kaboom.rules.yaml")).groups : {
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
  # Google's collector names a service, and nothing where it runs beside a worker pool.
  namespaces = join("|", concat([local.api_service, local.worker_service], var.worker_pool ? [""] : []))
  queries = {
    for name, alert in local.alerts : name => replace(
      replace(alert.expr, "/\\b(kaboom_[a-z0-9_]+)\\{/", "$1{namespace=~\"${local.namespaces}\","),
      "/\\b(kaboom_[a-z0-9_]+)([^a-z0-9_{]|$)/", "$1{namespace=~\"${local.namespaces}\"}$2",
    )
  }

  severities = { page = "CRITICAL", warning = "WARNING" }
}

resource "google_monitoring_alert_policy" "rules" {
  for_each = local.alerts

  project               = var.project_id
  display_name          = "${each.key}${local.suffix}"
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
    content   = "${each.value.description}\n\n${each.value.summary_ja}。${each.value.description_ja}\n\nWhat to do · 対応手順: https://github.com/${var.github_repository}/blob/main/${each.value.runbook}"
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }
}

# Mail needs no secret. A channel that does, such as Slack or PagerDuty, is made by hand and named by its id.

resource "google_monitoring_notification_channel" "email" {
  for_each = toset(var.alert_emails)

  project      = var.project_id
  type         = "email"
  display_name = "Kaboom${local.suffix}: ${each.value}"
  labels       = { email_address = each.value }
}

locals {
  channels = concat([for channel in google_monitoring_notification_channel.email : channel.id], var.alert_channels)
}

# Mail when the project's costs of a month, or what they will come to, pass what was planned. Nothing is switched off.

resource "google_billing_budget" "month" {
  count = var.budget == null ? 0 : 1

  billing_account = var.budget.billing_account
  display_name    = "Kaboom${local.suffix}"

  budget_filter {
    projects        = ["projects/${var.project_number}"]
    calendar_period = "MONTH"
  }

  amount {
    specified_amount {
      currency_code = var.budget.currency
      units         = var.budget.amount
    }
  }

  threshold_rules {
    threshold_percent = 0.5
  }

  threshold_rules {
    threshold_percent = 1.0
  }

  threshold_rules {
    threshold_percent = 1.0
    spend_basis       = "FORECASTED_SPEND"
  }

  # A budget takes channels of mail alone.
  all_updates_rule {
    monitoring_notification_channels = [for channel in google_monitoring_notification_channel.email : channel.id]
  }
}
