#!/usr/bin/env bash
# Print a manifest of api/ with its variables replaced: infra/deploy/render.sh MANIFEST > rendered.yaml
#
# Values come from the environment, names and defaults from the file `variables` beside this script. Where the manifest
# holds a variable that is not listed, not set, empty, or whose value could leave its quotes, the names go to stderr,
# nothing to stdout, and the exit code is 1. A secret whose version may be empty, and is, is left out. Needs bash (3.2 or
# newer, as macOS has) and envsubst (gettext).
set -euo pipefail

manifest=${1:?'usage: render.sh MANIFEST'}
variables=$(dirname "$0")/variables
[ -r "$manifest" ] || { echo "render.sh: $manifest cannot be read" >&2; exit 1; }

faults=0
fault() { echo "render.sh: $manifest: $1" >&2; faults=1; }

# Asked for its variables, envsubst names whatever looks like one: what is not listed shows here.
used=$(envsubst -v "$(cat "$manifest")" | sort -u)
names=''
for name in $used; do
  listed=$(grep -E "^$name(\?|=.*)?\$" "$variables" || true)
  case $listed in *=*) [ -n "${!name-}" ] || export "$name=${listed#*=}" ;; esac
  if [ -z "$listed" ]; then fault "$name is not in infra/deploy/variables"
  elif [ -z "${!name+set}" ]; then fault "$name is not set"
  elif [ -z "${!name}" ] && [ "$listed" = "$name" ]; then fault "$name is empty"
  elif [[ ${!name} =~ [^A-Za-z0-9._/:@-] ]]; then fault "$name holds more than letters, digits and . _ / : @ -"
  fi
  names="$names\${$name} "
done
[ "$faults" = 0 ] || exit 1

text=$(cat "$manifest")
for name in $used; do
  case $name in
    VERSION_*) [ -n "${!name}" ] || text=$(sed "/^ *- name: ${name#VERSION_}\$/,/{$name}/d" <<<"$text") ;;
  esac
done
rendered=$(envsubst "$names" <<<"$text")
# Such as ${NAME:-default}, which envsubst does not know, or a variable of the shell that nobody has exported.
if left=$(grep -n -F '$' <<<"$rendered"); then fault "these lines are not replaced: $left"; exit 1; fi
printf '%s\n' "$rendered"
