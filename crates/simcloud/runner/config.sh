#!/bin/sh
# Registers this machine as a runner, or removes it: config.sh [remove] --unattended …
cd "$(dirname "$0")" || exit 1
if [ "$(id -u)" -eq 0 ] && [ -z "${RUNNER_ALLOW_RUNASROOT-}" ]; then
    echo "Must not run with sudo"
    exit 1
fi
if [ "${1-}" = remove ]; then
    exec ./bin/Runner.Listener "$@"
fi
exec ./bin/Runner.Listener configure "$@"
