#!/usr/bin/env bash
# Print the revision that all traffic of a service or all instances of a pool go to: live-revision.sh NAME [worker-pools]
#
# Where they are split nobody can say what to go back to: the exit code is 1, and the service is named.
set -euo pipefail
name=${1:?'usage: live-revision.sh NAME [worker-pools]'} kind=${2:-services}

gcloud run "$kind" describe "$name" --format=json |
  jq -er '[(.status.traffic // .status.instanceSplits)[] | select(.percent == 100) | .revisionName] | first // empty' || {
  echo "::error::$name has no revision that serves all of its traffic; give it one by update-traffic" >&2
  exit 1
}
