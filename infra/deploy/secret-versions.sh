#!/usr/bin/env bash
# Print VERSION_<NAME>=<number> for each secret that the manifests name: infra/deploy/secret-versions.sh MANIFEST…
#
# The number is that of the newest enabled version. Where a secret is missing or has none, each such secret is named on
# stderr, nothing goes to stdout, and the exit code is 1; one that need not be there (a ? behind its variable in the file
# `variables`) has an empty version instead, unless it is of PROVIDER. Needs SECRET_PREFIX (it may be empty), gcloud and jq;
# asks for names and states alone, never for a value.
set -euo pipefail
: "${1:?usage: secret-versions.sh MANIFEST…}" "${SECRET_PREFIX?}"

# In a manifest the secret's name stands before the variable that holds its version: pairs of lines, "name variable".
pairs=$(grep -hoE '\$\{SECRET_PREFIX\}[a-z0-9-]+|\$\{VERSION_[A-Z0-9_]+\}' "$@" | tr -d '{}$' |
  sed 's/^SECRET_PREFIX//' | paste -d ' ' - - | sort -u)

found='' missing=0
while read -r secret variable; do
  [[ $variable == VERSION_* ]] || { echo "secret-versions.sh: $secret has no version beside it" >&2; exit 1; }
  # The API's own words, not gcloud's short forms: a version's name ends in its number, its state is ENABLED.
  if number=$(gcloud secrets versions list "$SECRET_PREFIX$secret" --format=json </dev/null |
    jq -e '[.[] | select(.state == "ENABLED") | .name | split("/") | last | tonumber] | max'); then
    found+="$variable=$number"$'\n'
  elif grep -qxF "$variable?" "$(dirname "$0")/variables" && [ "${secret%%-*}" != "${PROVIDER-}" ]; then
    echo "The secret $SECRET_PREFIX$secret has no enabled version that this account may see, and is left out" >&2
    found+="$variable="$'\n'
  else
    echo "::error::The secret $SECRET_PREFIX$secret has no enabled version that this account may see" >&2
    missing=1
  fi
done <<<"$pairs"
[ "$missing" = 0 ] || exit 1
printf '%s' "$found"
