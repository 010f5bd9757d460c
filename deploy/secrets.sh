#!/bin/sh
# Makes the secrets of deploy/compose.yaml, one random file each; what is there already stays.
# The containers' users, who are none of this machine's, must read the files; the folder keeps everybody else out.
set -eu
umask 022
folder=$(dirname "$0")/secrets
mkdir -p -m 700 "$folder"
for name in TIDEMARK_INFLUXDB_TOKEN INFLUXDB_PASSWORD GRAFANA_PASSWORD; do
    [ -s "$folder/$name" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$folder/$name"
done
