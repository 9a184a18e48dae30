#!/bin/sh
# Keeps the helper alive. It ends with 0 whatever the listener's end was, and goes on after a 2.
dir=$(cd "$(dirname "$0")" && pwd) || exit 1
while :; do
    cp -f "$dir/run-helper.sh.template" "$dir/run-helper.sh"
    "$dir/run-helper.sh" "$@"
    code=$?
    if [ "$code" -eq 2 ]; then
        echo "Restarting runner..."
        continue
    fi
    echo "Exiting runner..."
    if [ "${ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE-}" = 1 ] && [ "$code" -eq 7 ]; then
        exit 7
    fi
    exit 0
done
