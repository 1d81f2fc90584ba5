#!/usr/bin/env bash
# Ask an API whether it is this release, is ready, and lets nobody in without a token: infra/deploy/smoke.sh URL RELEASE
#
# Asks up to SMOKE_TRIES times (12) with SMOKE_PAUSE_S (5) between, since traffic does not turn at once; then says what
# was wrong the last time, and the exit code is 1. Needs curl and jq.
set -euo pipefail
url=${1:?'usage: smoke.sh URL RELEASE'} release=${2:?'usage: smoke.sh URL RELEASE'}
tries=${SMOKE_TRIES:-12} pause_s=${SMOKE_PAUSE_S:-5}

ask() { curl --silent --max-time 10 "$@"; }

fault() {
  local body status
  body=$(ask "$url/readyz") || { echo "$url/readyz did not answer"; return; }
  jq -e --arg release "$release" '.ready and .release == $release' <<<"$body" >/dev/null 2>&1 || {
    echo "$url/readyz answered $body, expected ready and release $release"
    return
  }
  status=$(ask --output /dev/null --write-out '%{http_code}' --json '{}' "$url/api/v1/ingest/run-daily") || true
  [ "$status" = 401 ] || echo "a POST without a token was answered with $status, expected 401"
}

for ((try = 1; try <= tries; try++)); do
  wrong=$(fault)
  [ -n "$wrong" ] || { echo "$url is release $release, and ready"; exit 0; }
  echo "try $try of $tries: $wrong" >&2
  [ "$try" = "$tries" ] || sleep "$pause_s"
done
echo "::error::$wrong" >&2
exit 1
