#!/usr/bin/env bash
# Copy the image that staging ran at a commit, and print api-image=… and worker-image=…: infra/deploy/promote.sh COMMIT TAG
#
# What staging has not run, or what its release at that commit did not build, sign and attest, is refused with the reason:
# nothing goes to stdout, and the exit code is 1. Needs STAGING_REPOSITORY, API_REPOSITORY, WORKER_REPOSITORY, GitHub's own
# GITHUB_REPOSITORY and GITHUB_WORKFLOW_REF, docker and cosign.
set -euo pipefail
commit=${1:?'usage: promote.sh COMMIT TAG'} tag=${2:?'usage: promote.sh COMMIT TAG'}
# The same workflow as this one, of a branch that goes to staging.
workflow=$(printf %s "${GITHUB_WORKFLOW_REF%@*}" | sed 's/[.+]/\\&/g')
staging="^https://github\\.com/$workflow@refs/heads/(staging|release/.+)\$"

refuse() { echo "::error::$1" >&2; exit 1; }
digest_of() { docker buildx imagetools inspect "$1" --format '{{.Manifest.Digest}}'; }
signed() {
  local verb=$1
  shift
  cosign "$verb" --certificate-identity-regexp "$staging" --certificate-github-workflow-sha "$commit" \
    --certificate-oidc-issuer https://token.actions.githubusercontent.com "$@" "$image" >/dev/null
}

digest=$(digest_of "${STAGING_REPOSITORY:?}:staged-$commit") ||
  refuse "staging has not run $commit: push this commit to staging, and start this again when its release has ended well"
image=$STAGING_REPOSITORY@$digest
signed verify || refuse "$image was not built and signed by staging's release of $commit"
signed verify-attestation --type cyclonedx || refuse "$image has no bill of materials of staging's release of $commit"
signed verify-attestation --type "https://github.com/${GITHUB_REPOSITORY:?}/staged" ||
  refuse "staging's release of $commit did not attest that it ran $image"

for repository in "${API_REPOSITORY:?}" "${WORKER_REPOSITORY:?}"; do
  docker buildx imagetools create --prefer-index=false --tag "$repository:$tag" "$image" >&2
  copied=$(digest_of "$repository:$tag")
  [ "$copied" = "$digest" ] || refuse "the copy in $repository has another digest, $copied, than $image"
done
printf '%s\n' "api-image=$API_REPOSITORY@$digest" "worker-image=$WORKER_REPOSITORY@$digest"
