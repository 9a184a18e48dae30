#!/bin/sh
# The stand-in needs only python3.
if [ "$(id -u)" -ne 0 ]; then
    echo "Need to run with sudo privilege"
    exit 1
fi
command -v python3 >/dev/null || exit 1
echo "Finish Install Dependencies"
