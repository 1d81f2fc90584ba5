#!/bin/sh
# nightly.sh HOUR NAME COMMAND...: each night at HOUR o'clock in Japan run COMMAND with the path of a new backup as its last
# argument, and keep the newest 14. The first is made at once. A backup has its name only when it is whole; after a failure
# the script ends, and Docker starts it again.
set -eu
umask 077
hour=$1 name=$2 folder=${BACKUPS:-/var/tmp}
shift 2

while :; do
  now=$(($(date +%s) + 9 * 3600))
  target=$folder/$name-$(date -u -d "@$now" +%Y-%m-%d)
  if [ ! -e "$target" ]; then
    rm -rf "$target.part"
    "$@" "$target.part"
    mv "$target.part" "$target"
    ls -d "$folder/$name"-????-??-?? | sort -r | tail -n +15 | while read -r old; do rm -rf "$old"; done
    echo "$target is whole"
  fi
  sleep $(((hour * 3600 + 86399 - now % 86400) % 86400 + 1))
done
