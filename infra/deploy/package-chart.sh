#!/usr/bin/env bash
# Package the Helm chart of a version with its image filled in: infra/deploy/package-chart.sh VERSION IMAGE@DIGEST FOLDER
#
# The package is FOLDER/kaboom-VERSION.tgz. Needs helm.
set -euo pipefail
usage='usage: package-chart.sh VERSION IMAGE@DIGEST FOLDER'
version=${1:?$usage} image=${2:?$usage} folder=${3:?$usage}
[[ $image =~ ^[a-z0-9][a-z0-9._/:-]*@sha256:[0-9a-f]{64}$ ]] || { echo "::error::$image is not named by its digest" >&2; exit 1; }
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

cp -R "$(dirname "$0")/../helm/kaboom" "$copy"
sed -i.old "s|^  repository: \"\"\$|  repository: ${image%@*}|; s|^  digest: \"\"\$|  digest: ${image#*@}|" "$copy/kaboom/values.yaml"
rm "$copy/kaboom/values.yaml.old"
helm package "$copy/kaboom" --version "$version" --app-version "$version" --destination "$folder"
