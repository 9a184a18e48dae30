#!/bin/sh
# The program of the service. It passes a request to stop to the listener, which ends when it is ready.
cd "$(dirname "$0")" || exit 1
exec ./run.sh --startuptype service
