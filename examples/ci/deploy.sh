#!/bin/sh
# Brings a configuration to the lbd of this machine: deploy.sh balancer/lbd.kdl "release 7"
#
# It stays once what must work works. When a check fails the old one is back at once; whatever else stops this script
# (a lost connection, a runner that dies), lbd takes the change back by itself after five minutes.
set -eu

code=0
lbctl config plan "$1" --exit-code || code=$?
case $code in
  0) exit 0 ;; # nothing to do
  10) ;;
  *) exit "$code" ;;
esac

lbctl config apply "$1" --confirm-within 5m --reason "$2"
trap 'lbctl config rollback --reason "a check after the change failed"' EXIT

# Each pool has a server for new clients, and none is out. What else must work belongs here.
tries=0
until lbctl check --max-down 0; do
  tries=$((tries + 1))
  [ "$tries" -lt "${DEPLOY_TRIES:-30}" ] || exit 1
  sleep 2
done

lbctl config confirm --reason "$2"
trap - EXIT
