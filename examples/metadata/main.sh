#!/bin/sh
# Asks the sidecar about itself, with nothing but curl.
set -eu
sidecar="http://127.0.0.1:$DAPR_HTTP_PORT/v1.0"

curl --fail --silent "$sidecar/healthz/outbound"
echo "the sidecar is healthy"

curl --fail --silent --request PUT --header 'content-type: text/plain' --data blue "$sidecar/metadata/color"
metadata=$(curl --fail --silent "$sidecar/metadata")
echo "$metadata"

for expected in '"id":"metadata"' '"color":"blue"' '"type":"state.sqlite"' '"runtimeVersion":'; do
  case "$metadata" in
    *"$expected"*) ;;
    *) echo "not found: $expected" >&2; exit 1 ;;
  esac
done
