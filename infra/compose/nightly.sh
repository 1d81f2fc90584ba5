#!/bin/sh
# nightly.sh HOUR NAME COMMAND...: each night at HOUR o'clock in Japan run COMMAND with the path of a new backup as its last
# argument, copy the backup to the folder COPIES if that is another one, and keep the newest 14 in both. The first is made at
# once. A backup and its copy have their names only when they are whole; after a failure the script ends, and Docker starts it
# again.
set -eu
umask 077
hour=$1 name=$2 folder=${BACKUPS:-/var/tmp} copies=${COPIES:-/srv/copies}
shift 2

keep_newest() {
  ls -d "$1/$name"-????-??-?? | sort -r | tail -n +15 | while read -r old; do rm -rf "$old"; done
}

while :; do
  now=$(($(date +%s) + 9 * 3600))
  target=$name-$(date -u -d "@$now" +%Y-%m-%d)
  if [ ! -e "$folder/$target" ]; then
    rm -rf "$folder/$target.part"
    "$@" "$folder/$target.part"
    mv "$folder/$target.part" "$folder/$target"
    keep_newest "$folder"
    echo "$folder/$target is whole"
  fi
  if [ ! -e "$copies/$target" ]; then
    rm -rf "$copies/$target.part"
    cp -R "$folder/$target" "$copies/$target.part"
    mv "$copies/$target.part" "$copies/$target"
    keep_newest "$copies"
    echo "$copies/$target is whole"
  fi
  sleep $(((hour * 3600 + 86399 - now % 86400) % 86400 + 1))
done
