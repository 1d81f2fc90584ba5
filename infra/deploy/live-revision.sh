#!/usr/bin/env bash
# Print the revision of a Cloud Run service that serves all of its traffic: infra/deploy/live-revision.sh SERVICE
#
# Where the traffic is split nobody can say what to go back to: the exit code is 1, and the service is named.
set -euo pipefail
service=${1:?'usage: live-revision.sh SERVICE'}

gcloud run services describe "$service" --format=json |
  jq -er '[.status.traffic[] | select(.percent == 100) | .revisionName] | first // empty' || {
  echo "::error::$service has no revision that serves all of its traffic; give it one by update-traffic" >&2
  exit 1
}
