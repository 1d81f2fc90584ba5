#!/usr/bin/env bash
# The worker, which is a Cloud Run service or a worker pool as WORKER_KIND says, service or pool:
# infra/deploy/worker.sh manifest | live | check FILE | replace FILE | back REVISION | back-by-hand REVISION
#
# Prints the name of its manifest or its live revision; lets Google check a rendered manifest, deploys one, gives all
# instances to a revision, or prints the command for that. Needs WORKER_SERVICE, the name of either kind, and gcloud.
set -euo pipefail
verb=${1:?'usage: worker.sh VERB'} here=$(dirname "$0")
case ${WORKER_KIND:?} in
  service) manifest=celery-worker-service kind=services give=update-traffic ;;
  pool) manifest=celery-worker-pool kind=worker-pools give=update-instance-split ;;
  *) echo "worker.sh: WORKER_KIND is $WORKER_KIND, expected service or pool" >&2; exit 1 ;;
esac

case $verb in
  manifest) echo "$manifest" ;;
  live) "$here/live-revision.sh" "${WORKER_SERVICE:?}" "$kind" ;;
  check) gcloud run "$kind" replace "${2:?}" --dry-run ;;
  replace) gcloud run "$kind" replace "${2:?}" ;;
  back) gcloud run "$kind" "$give" "${WORKER_SERVICE:?}" --to-revisions="${2:?}=100" ;;
  back-by-hand) echo "gcloud run $kind $give ${WORKER_SERVICE:?} --to-revisions=${2:?}=100" ;;
  *) echo "worker.sh: $verb is no verb" >&2; exit 1 ;;
esac
