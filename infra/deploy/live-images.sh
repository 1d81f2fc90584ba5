#!/usr/bin/env bash
# Print release=…, api-image=… and worker-image=… of the revisions that serve: infra/deploy/live-images.sh
#
# Where API and worker are of two releases, or an image is not named by its digest, that is said, nothing goes to stdout,
# and the exit code is 1. Needs API_SERVICE, WORKER_SERVICE, WORKER_KIND, gcloud and jq.
set -euo pipefail
here=$(dirname "$0")

# "release image" of the container of that name in what gcloud tells of a revision.
running() {
  jq -er --arg name "$1" '.spec.containers[] | select(.name == $name) |
    "\(.env[] | select(.name == "KABOOM_RELEASE") | .value) \(.image)"'
}

api_live=$("$here/live-revision.sh" "${API_SERVICE:?}")
worker_live=$("$here/worker.sh" live)
if [ "$WORKER_KIND" = pool ]; then worker_of='worker-pools revisions'; else worker_of=revisions; fi
api=$(gcloud run revisions describe "$api_live" --format=json | running api)
# shellcheck disable=SC2086 # one word or two
worker=$(gcloud run $worker_of describe "$worker_live" --format=json | running worker)
read -r release api_image <<<"$api"
read -r worker_release worker_image <<<"$worker"
[ "$release" = "$worker_release" ] || {
  echo "::error::the API serves release $release, the worker $worker_release: release or roll back one of them first" >&2
  exit 1
}
for image in "$api_image" "$worker_image"; do
  [[ $image == *@sha256:* ]] || { echo "::error::$image is not named by its digest" >&2; exit 1; }
done
printf '%s\n' "release=$release" "api-image=$api_image" "worker-image=$worker_image"
