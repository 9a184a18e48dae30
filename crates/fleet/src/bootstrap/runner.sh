#!/bin/sh
# Makes this machine a GitHub Actions runner. Each command can be repeated: what is done is not done
# again, what was cut off goes on. Secrets come by standard input or a file, never by argument.
#
#   runner probe                                     what is there, as NAME=value lines
#   runner fetch URL SHA256 VERSION                  the runner's program, checked before it is unpacked
#   runner dependencies                              what the program needs of the system
#   runner configure URL NAME LABELS GROUP EPHEMERAL the token is the first line of standard input
#   runner start EPHEMERAL                           its service; an ephemeral one powers off at its end
#   runner stop
#   runner serve                                     with a JIT configuration, in the foreground
set -eu
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH LC_ALL=C
user=runner
home=/opt/actions-runner
state=/var/lib/azlin-runner
# In a folder of the user's own, so that it can be removed once it is used.
jitconfig=$state/jit/config

fail() {
    echo "$*" >&2
    exit 1
}

# One at a time: a command whose connection was lost may still be at work.
alone() {
    mkdir -p "$state"
    exec 9>"$state/lock"
    flock -w 300 9 || fail "another azlin command has been at work here for five minutes"
}

# The machine's own proxy settings, one NAME=value a line.
proxies() {
    [ -r /etc/environment ] || return 0
    sed -n -E "s/^[[:space:]]*(export[[:space:]]+)?((https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY)=[\"']?([^\"']*)[\"']?[[:space:]]*\$/\2=\5/p" /etc/environment
}

use_proxies() {
    while IFS= read -r line; do
        [ -z "$line" ] || export "${line?}"
    done <<END
$(proxies)
END
}

as_user() {
    runuser -u "$user" -- "$@"
}

ensure_user() {
    id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user"
}

# The version of the program, if there is one and it is whole.
version() {
    if [ -x "$home/bin/Runner.Listener" ] && [ ! -e "$state/unpacking" ] && id "$user" >/dev/null 2>&1; then
        as_user "$home/bin/Runner.Listener" --version 2>/dev/null || :
    fi
}

# A number in .runner, which begins with a byte order mark.
runner_id() {
    [ ! -s "$home/.runner" ] || tr -d '\r\n' <"$home/.runner" | sed -n -E 's/.*"agentId"[[:space:]]*:[[:space:]]*"?([0-9]+).*/\1/p'
}

service() {
    if [ ! -s "$home/.service" ]; then
        echo none
    elif systemctl --quiet is-active "$(cat "$home/.service")"; then
        echo active
    else
        echo inactive
    fi
}

probe() {
    echo "version=$(version)"
    echo "runner_id=$(runner_id)"
    echo "registered=$(cat "$state/registered" 2>/dev/null || :)"
    echo "service=$(service)"
    if pgrep -f "$home/bin/Runner.Worker" >/dev/null; then echo job=running; else echo job=none; fi
    if [ -e "$state/dependencies" ]; then echo dependencies=installed; else echo dependencies=unknown; fi
}

fetch() {
    url=$1 sha256=$2 version=$3
    ensure_user
    mkdir -p "$home"
    if [ -n "$version" ] && [ "$(version)" = "$version" ] || [ -z "$version" ] && [ -n "$(version)" ]; then
        chown -R "$user:$user" "$home"
        return
    fi
    use_proxies
    archive="$state/runner-$sha256.tar.gz"
    if [ ! -e "$archive" ]; then
        tries=0
        until curl --fail --silent --show-error --location --connect-timeout 20 --speed-limit 1000 --speed-time 30 \
            --continue-at - --output "$archive.part" "$url"; do
            case $? in
            # What the server refuses may be to go on with this part: it is whole, or another file's.
            22) rm -f "$archive.part" ;;
            23) fail "the runner could not be written to $state, where $(df -Pk "$state" | awk 'NR == 2 { print $4 }') KiB are free" ;;
            esac
            tries=$((tries + 1))
            [ "$tries" -lt 5 ] || fail "the runner could not be downloaded from $url"
            sleep 2
        done
        mv "$archive.part" "$archive"
    fi
    if [ "$sha256" != unknown ]; then
        found=$(sha256sum "$archive" | cut -d ' ' -f 1)
        if [ "$found" != "$sha256" ]; then
            rm -f "$archive"
            fail "wrong checksum: $url has the SHA-256 $found, and GitHub says $sha256; nothing was unpacked"
        fi
    fi
    : >"$state/unpacking"
    tar -xzf "$archive" -C "$home"
    chown -R "$user:$user" "$home"
    rm -f "$state/unpacking" "$archive"
}

dependencies() {
    [ ! -e "$state/dependencies" ] || return 0
    use_proxies
    cd "$home"
    DEBIAN_FRONTEND=noninteractive ./bin/installdependencies.sh </dev/null
    : >"$state/dependencies"
}

configure() {
    url=$1 name=$2 labels=$3 group=$4 ephemeral=$5
    IFS= read -r token || :
    ensure_user
    use_proxies
    cd "$home"
    if [ -z "$(runner_id)" ]; then
        set -- --unattended --url "$url" --name "$name" --labels "$labels" --work _work --replace \
            --disableupdate --no-default-labels
        [ -z "$group" ] || set -- "$@" --runnergroup "$group"
        [ "$ephemeral" != true ] || set -- "$@" --ephemeral
        ACTIONS_RUNNER_INPUT_TOKEN=$token runuser -u "$user" -- ./config.sh "$@" </dev/null
    fi
    id=$(runner_id)
    [ -n "$id" ] || fail "config.sh has left no runner id in $home/.runner"
    echo "$id" >"$state/registered.new"
    mv "$state/registered.new" "$state/registered"
    echo "runner_id=$id"
}

start() {
    ephemeral=$1
    cd "$home"
    proxies >"$state/proxies"
    if [ -s "$state/proxies" ]; then
        [ ! -e .env ] || grep -v -i -E '^(https?|no|all)_proxy=' .env >>"$state/proxies" || :
        install -o "$user" -g "$user" -m 0644 "$state/proxies" .env
    fi
    if [ ! -s .service ]; then
        # What a first try left half done is in the way of svc.sh.
        rm -f /etc/systemd/system/actions.runner.*.service
        ./svc.sh install "$user" </dev/null
    fi
    if [ "$ephemeral" = true ]; then
        # A lost daemon costs no idle VM.
        drop_in="/etc/systemd/system/$(cat .service).d"
        mkdir -p "$drop_in"
        printf '[Service]\nExecStopPost=+/bin/systemctl --no-block poweroff\n' >"$drop_in/azlin.conf"
        systemctl daemon-reload
    fi
    ./svc.sh start </dev/null
}

stop() {
    cd "$home"
    [ ! -s .service ] || ./svc.sh stop </dev/null
}

# The environment hands the configuration over: arguments are visible to every user.
serve() {
    use_proxies
    [ -s "$jitconfig" ] || fail "the JIT configuration was used before"
    ACTIONS_RUNNER_INPUT_JITCONFIG=$(cat "$jitconfig")
    export ACTIONS_RUNNER_INPUT_JITCONFIG
    rm -f "$jitconfig"
    cd "$home"
    exec ./run.sh
}

case ${1-} in
probe | serve)
    "$1"
    ;;
fetch | dependencies | configure | start | stop)
    alone
    "$@"
    ;;
*)
    fail "usage: runner probe | fetch | dependencies | configure | start | stop | serve"
    ;;
esac
