#!/bin/sh
# The program of the service. SIGTERM becomes SIGINT for what runs the listener.
trap 'kill -INT "$service"' TERM INT
if [ -f .path ]; then
    PATH=$(cat .path)
    export PATH
fi
python3 ./bin/RunnerService.py &
service=$!
wait "$service"
trap - TERM INT
wait "$service"
