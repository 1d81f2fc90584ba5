#!/usr/bin/env bash
# Runs as root at each start of the VM: InfluxDB in a container, its data on the disk that has the snapshots.
#
# The first start of an empty disk sets the server up with the token of Secret Manager, and waits until infra/bootstrap.sh
# has added that. A disk that was made from a snapshot is used as it is.
set -euo pipefail
image=mirror.gcr.io/library/influxdb:2.9.1@sha256:db0bdab1e5ad5ee899c127b8c13d9c986a3ced78cd9200dd80a1064bf1533b6e
disk=/dev/disk/by-id/google-data mount=${MOUNT:-/mnt/disks/influxdb} pause_s=${PAUSE_S:-15}

meta() {
  curl --silent --fail --header 'Metadata-Flavor: Google' "http://metadata.google.internal/computeMetadata/v1/instance/$1"
}

# 2 says that there is no file system: with any other error the disk may have one.
found=0
blkid "$disk" || found=$?
[ "$found" = 0 ] || [ "$found" = 2 ] || { echo "start.sh: $disk cannot be read" >&2; exit 1; }
[ "$found" = 0 ] || mkfs.ext4 -m 0 "$disk"
mkdir -p "$mount"
mountpoint -q "$mount" || mount -o discard,noatime "$disk" "$mount"

secret=$(meta attributes/token-secret)
read_token() {
  local access
  access=$(meta service-accounts/default/token | sed 's/.*"access_token": *"\([^"]*\)".*/\1/')
  curl --silent --fail --header @- "https://secretmanager.googleapis.com/v1/$secret/versions/latest:access" \
    <<<"Authorization: Bearer $access" | sed -n 's/.*"data": *"\([^"]*\)".*/\1/p' | base64 -d
}
if [ ! -e "$mount/data/influxd.bolt" ]; then
  until token=$(read_token) && [ -n "$token" ]; do
    echo "start.sh: $secret has no value yet" >&2
    sleep "$pause_s"
  done
  # Named below and not given, so that no process list shows the token.
  export DOCKER_INFLUXDB_INIT_ADMIN_TOKEN=$token DOCKER_INFLUXDB_INIT_PASSWORD=$token
  set -- --env DOCKER_INFLUXDB_INIT_MODE=setup --env DOCKER_INFLUXDB_INIT_USERNAME=kaboom \
    --env DOCKER_INFLUXDB_INIT_ORG=kaboom --env DOCKER_INFLUXDB_INIT_BUCKET=raw_1m_hot \
    --env DOCKER_INFLUXDB_INIT_ADMIN_TOKEN --env DOCKER_INFLUXDB_INIT_PASSWORD
fi

# Not restarted by Docker when the VM starts: that would be before the disk is mounted, on an empty folder.
docker rm --force influxdb 2>/dev/null || true
docker run --detach --name influxdb --restart on-failure --publish 8086:8086 --log-opt max-size=50m \
  --volume "$mount/data:/var/lib/influxdb2" --volume "$mount/config:/etc/influxdb2" \
  --env INFLUXD_REPORTING_DISABLED=true "$@" "$image"

until docker exec influxdb influx bucket list --name raw_1m_hot >/dev/null 2>&1; do sleep "$pause_s"; done
for bucket in agg_5m agg_1d; do
  docker exec influxdb influx bucket list --name "$bucket" >/dev/null 2>&1 ||
    docker exec influxdb influx bucket create --name "$bucket" --retention 0
done
