#!/usr/bin/env bash
# Print release=…, api-image=… and worker-image=… of the revisions that serve: infra/deploy/live-images.sh API WORKER
#
# Where API and worker are of two releases, or an image is not named by its digest, that is said, nothing goes to stdout,
# and the exit code is 1. Needs gcloud and jq.
set -euo pipefail
api=${1:?'usage: live-images.sh API WORKER'} worker=${2:?'usage: live-images.sh API WORKER'}
here=$(dirname "$0")

# "release image" of the container of that name in a service's live revision.
live() {
  local revision
  revision=$("$here/live-revision.sh" "$1")
  gcloud run revisions describe "$revision" --format=json |
    jq -er --arg name "$2" '.spec.containers[] | select(.name == $name) |
      "\(.env[] | select(.name == "KABOOM_RELEASE") | .value) \(.image)"'
}

api_live=$(live "$api" api)
worker_live=$(live "$worker" worker)
read -r release api_image <<<"$api_live"
read -r worker_release worker_image <<<"$worker_live"
[ "$release" = "$worker_release" ] || {
  echo "::error::$api serves release $release, $worker serves $worker_release: release or roll back one of them first" >&2
  exit 1
}
for image in "$api_image" "$worker_image"; do
  [[ $image == *@sha256:* ]] || { echo "::error::$image is not named by its digest" >&2; exit 1; }
done
printf '%s\n' "release=$release" "api-image=$api_image" "worker-image=$worker_image"
