#!/usr/bin/env bash
# Print the revision that all traffic of a service or all instances of a pool go to: live-revision.sh NAME [worker-pools]
#
# Where they are split nobody can say what to go back to: the exit code is 1, and the service is named.
set -euo pipefail
name=${1:?'usage: live-revision.sh NAME [worker-pools]'} kind=${2:-services}

# gcloud describes services as version 1 of the API does, pools as version 2.
gcloud run "$kind" describe "$name" --format=json |
  jq -er '[(.status.traffic // .instanceSplitStatuses // .instance_split_statuses // [])[] | select(.percent == 100) |
    .revisionName // .revision | split("/") | last] | first // empty' || {
  echo "::error::$name has no revision that serves all of its traffic; give it one by update-traffic" >&2
  exit 1
}
