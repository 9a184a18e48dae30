#!/bin/sh
# Runs the listener, and starts it again after an error that may pass.
cd "$(dirname "$0")" || exit 1
if [ "$(id -u)" -eq 0 ] && [ -z "${RUNNER_ALLOW_RUNASROOT-}" ]; then
    echo "Must not run interactively with sudo"
    exit 1
fi
while :; do
    "$PWD/bin/Runner.Listener" run "$@" &
    listener=$!
    trap 'kill -TERM $listener 2>/dev/null' TERM INT
    wait "$listener"
    code=$?
    # A signal ends the wait, not the listener.
    while kill -0 "$listener" 2>/dev/null; do
        wait "$listener"
        code=$?
    done
    case $code in
    0) echo "Runner listener exit with 0 return code, stop the service, no retry needed." ;;
    1) echo "Runner listener exit with terminated error, stop the service, no retry needed." ;;
    2)
        echo "Runner listener exit with retryable error, re-launch runner in 5 seconds."
        sleep 5
        continue
        ;;
    *) echo "Runner listener exit with undefined return code $code." ;;
    esac
    exit "$code"
done
