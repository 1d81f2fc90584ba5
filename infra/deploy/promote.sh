#!/usr/bin/env bash
# Copy the image that staging ran at a commit, and print api-image=… and worker-image=…: infra/deploy/promote.sh COMMIT TAG
#
# With PUBLISHED_IMAGE, such as ghcr.io/OWNER/NAME, it is the image that OWNER/NAME published of that commit instead. What
# staging has not run, or was not published, or what was not built, signed and attested of that commit, is refused with the
# reason: nothing goes to stdout, and the exit code is 1. Needs STAGING_REPOSITORY (or PUBLISHED_IMAGE), API_REPOSITORY,
# WORKER_REPOSITORY, GitHub's own GITHUB_REPOSITORY and GITHUB_WORKFLOW_REF, docker and cosign.
set -euo pipefail
commit=${1:?'usage: promote.sh COMMIT TAG'} tag=${2:?'usage: promote.sh COMMIT TAG'}
# The same workflow as this one, of a branch that goes to staging.
escape() { printf %s "$1" | sed 's/[.+]/\\&/g'; }
if [ -n "${PUBLISHED_IMAGE:-}" ]; then
  # The name of an image is in lower case, that of its repository as its owner wrote it.
  publisher=$(escape "${PUBLISHED_IMAGE#ghcr.io/}/.github/workflows/release.yml")
  source=$PUBLISHED_IMAGE name=$PUBLISHED_IMAGE:commit-$commit what="a release of $PUBLISHED_IMAGE"
  by="(?i)^https://github\\.com/$publisher@refs/tags/v[0-9.]+\$"
  absent="$PUBLISHED_IMAGE has no release of $commit: push the commit of a tag, or unset PUBLISHED_IMAGE"
else
  source=${STAGING_REPOSITORY:?} name=$STAGING_REPOSITORY:staged-$commit what="staging's release"
  by="^https://github\\.com/$(escape "${GITHUB_WORKFLOW_REF%@*}")@refs/heads/(staging|release/.+)\$"
  absent="staging has not run $commit: push this commit to staging, and start this again when its release has ended well"
fi

refuse() { echo "::error::$1" >&2; exit 1; }
digest_of() { docker buildx imagetools inspect "$1" --format '{{.Manifest.Digest}}'; }
signed() {
  local verb=$1
  shift
  cosign "$verb" --certificate-identity-regexp "$by" --certificate-github-workflow-sha "$commit" \
    --certificate-oidc-issuer https://token.actions.githubusercontent.com "$@" "$image" >/dev/null
}

digest=$(digest_of "$name") || refuse "$absent"
image=$source@$digest
signed verify || refuse "$image was not built and signed by $what of $commit"
signed verify-attestation --type cyclonedx || refuse "$image has no bill of materials of $what of $commit"
[ -n "${PUBLISHED_IMAGE:-}" ] || signed verify-attestation --type "https://github.com/${GITHUB_REPOSITORY:?}/staged" ||
  refuse "staging's release of $commit did not attest that it ran $image"

for repository in "${API_REPOSITORY:?}" "${WORKER_REPOSITORY:?}"; do
  docker buildx imagetools create --prefer-index=false --tag "$repository:$tag" "$image" >&2
  copied=$(digest_of "$repository:$tag")
  [ "$copied" = "$digest" ] || refuse "the copy in $repository has another digest, $copied, than $image"
done
printf '%s\n' "api-image=$API_REPOSITORY@$digest" "worker-image=$WORKER_REPOSITORY@$digest"
