#!/bin/sh
# What the service runs: it hands a request to stop on to the listener, which ends in its own time.
cd "$(dirname "$0")" || exit 1
exec ./run.sh --startuptype service
