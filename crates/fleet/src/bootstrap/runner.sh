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
#   runner watch SECONDS                             powers off when no job has run for so long
set -eu
# What jobs find is what the system has; only what may be missing is added.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
user=runner
home=/opt/actions-runner
# Root's own: what is in $home belongs to the jobs, and is never trusted once one has run.
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
    sed -n -E -e 's/[[:space:]]+$//' -e "s/^[[:space:]]*(export[[:space:]]+)?((https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY)=[\"']?([^\"']*)[\"']?[[:space:]]*\$/\2=\5/p" /etc/environment
}

use_proxies() {
    while IFS= read -r line; do
        [ -z "$line" ] || export "${line?}"
    done <<END
$(proxies)
END
}

as_user() {
    runuser -u "$user" -- env HOME="$(getent passwd "$user" | cut -d : -f 6)" "$@"
}

ensure_user() {
    id "$user" >/dev/null 2>&1 || useradd --create-home --shell /bin/bash "$user"
}

# The version of the program, if there is one and it is whole.
version() {
    if [ -e "$state/unpacking" ]; then
        return 0
    elif [ -s "$state/version" ]; then
        cat "$state/version"
    elif [ -x "$home/bin/Runner.Listener" ] && [ ! -e "$state/registered" ]; then
        # No job has run: it is still the image's, and writes its log where root alone may.
        "$home/bin/Runner.Listener" --version 2>/dev/null </dev/null | sed -n -E '1s/^([0-9][0-9.]*)[[:space:]]*$/\1/p' || :
    fi
}

# A value in .runner, which begins with a byte order mark: a number or a text.
configured() {
    [ ! -s "$home/.runner" ] || tr -d '\r\n' <"$home/.runner" |
        sed -n -E "s/.*\"$1\"[[:space:]]*:[[:space:]]*\"?([A-Za-z0-9._-]+).*/\1/p"
}

# The service's unit, as it was when no job had run.
unit() {
    cat "$state/unit" 2>/dev/null || :
}

service() {
    if [ -z "$(unit)" ]; then
        echo none
    elif systemctl --quiet is-active -- "$(unit)"; then
        echo active
    else
        echo inactive
    fi
}

# Upgrades of the system are not to restart a runner: that ends its job.
spare_from_restarts() {
    mkdir -p /etc/needrestart/conf.d
    printf '%s\n' '$nrconf{override_rc}{qr(^(actions\.runner\..+|azlin-runner)\.service$)} = 0;' \
        >/etc/needrestart/conf.d/azlin.conf
}

probe() {
    echo "version=$(version)"
    echo "runner_id=$(configured agentId)"
    echo "runner_name=$(configured agentName)"
    echo "registered=$(cat "$state/registered" 2>/dev/null || :)"
    echo "service=$(service)"
    if pgrep -f "$home/bin/Runner.Worker" >/dev/null; then echo job=running; else echo job=none; fi
    if [ -e "$state/dependencies" ]; then echo dependencies=installed; else echo dependencies=unknown; fi
}

fetch() {
    url=$1 sha256=$2 version=$3
    ensure_user
    spare_from_restarts
    mkdir -p "$home"
    if [ -n "$version" ] && [ "$(version)" = "$version" ] || [ -z "$version" ] && [ -n "$(version)" ]; then
        chown -R "$user:$user" "$home"
        return
    fi
    use_proxies
    archive="$state/runner-$sha256.tar.gz"
    if [ ! -e "$archive" ]; then
        tries=0
        until curl --fail --silent --show-error --location --proto-redir =https --connect-timeout 20 --speed-limit 1000 --speed-time 30 \
            --continue-at - --output "$archive.part" "$url"; do
            case $? in
            # What the server refuses may be to go on with this part: it is whole, or another file's.
            22 | 33 | 36) rm -f "$archive.part" ;;
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
    rm -f "$state/version"
    tar -xzf "$archive" -C "$home"
    chown -R "$user:$user" "$home"
    [ -z "$version" ] || echo "$version" >"$state/version"
    rm -f "$state/unpacking" "$archive"
}

dependencies() {
    [ ! -e "$state/dependencies" ] || return 0
    use_proxies
    cd "$home"
    # A machine that boots for the first time installs and updates by itself, and holds apt's locks.
    [ -e /var/lib/cloud/instance/boot-finished ] || timeout 300 cloud-init status --wait >/dev/null 2>&1 || :
    echo 'DPkg::Lock::Timeout "60";' >"$state/apt.conf"
    tries=0
    until DEBIAN_FRONTEND=noninteractive APT_CONFIG="$state/apt.conf" ./bin/installdependencies.sh </dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || fail "installdependencies.sh has failed $tries times"
        sleep 15
    done
    : >"$state/dependencies"
}

configure() {
    url=$1 name=$2 labels=$3 group=$4 ephemeral=$5
    IFS= read -r token || :
    ensure_user
    use_proxies
    cd "$home"
    if [ "$(configured agentName)" != "$name" ]; then
        # An image may have been made of a machine that was a runner.
        [ -z "$(unit)" ] || systemctl disable --now -- "$(unit)" || :
        rm -f "$state/unit" /etc/systemd/system/actions.runner.*.service
        rm -f .runner .runner_migrated .credentials .credentials_migrated .credentials_rsaparams .service
        # Where an image holds the program, it may be root's.
        chown -R "$user:$user" "$home"
        set -- --unattended --url "$url" --name "$name" --labels "$labels" --work _work --replace \
            --disableupdate --no-default-labels
        [ -z "$group" ] || set -- "$@" --runnergroup "$group"
        [ "$ephemeral" != true ] || set -- "$@" --ephemeral
        ACTIONS_RUNNER_INPUT_TOKEN=$token as_user ./config.sh "$@" </dev/null
    fi
    id=$(configured agentId)
    [ -n "$id" ] || fail "config.sh has left no runner id in $home/.runner"
    echo "$id $name" >"$state/registered.new"
    mv "$state/registered.new" "$state/registered"
    echo "runner_id=$id"
}

start() {
    ephemeral=$1
    if [ -z "$(unit)" ]; then
        cd "$home"
        spare_from_restarts
        {
            [ ! -e .env ] || as_user grep -v -i -E '^(https?|no|all)_proxy=' .env || :
            proxies
        } >"$state/env"
        as_user sh -c 'cat >.env' <"$state/env"
        # What a first try left half done is in the way of svc.sh.
        rm -f .service /etc/systemd/system/actions.runner.*.service
        ./svc.sh install "$user" </dev/null
        unit=$(cat .service)
        case $unit in
        actions.runner.*.service) ;;
        *) fail "svc.sh has named no service in $home/.service" ;;
        esac
        # Not at the next boot, before its name is kept: a job could change what is then called again.
        systemctl --quiet disable -- "$unit"
        if [ "$ephemeral" = true ]; then
            # It takes no other job, and its end shows.
            mkdir -p "/etc/systemd/system/$unit.d"
            printf '[Service]\nExecStopPost=+/bin/systemctl --no-block poweroff\n' \
                >"/etc/systemd/system/$unit.d/azlin.conf"
        fi
        systemctl daemon-reload
        echo "$unit" >"$state/unit.new"
        mv "$state/unit.new" "$state/unit"
    fi
    systemctl --quiet enable --now -- "$(unit)"
}

stop() {
    [ -z "$(unit)" ] || systemctl stop -- "$(unit)"
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

# The dead man's switch: a daemon that lives would have replaced this machine long before. By the time since
# it booted, which no clock that is set changes, and by what jobs have written last.
watch() {
    limit=$1
    up=$(cut -d . -f 1 /proc/uptime)
    [ "$up" -ge "$limit" ] || return 0
    ! pgrep -f "$home/bin/Runner.Worker" >/dev/null || return 0
    [ -z "$(find "$home/_diag" -name 'Worker_*.log' -mmin "-$((limit / 60))" 2>/dev/null)" ] || return 0
    echo "no job for $limit seconds, and no daemon has replaced this machine: it powers off"
    systemctl --no-block poweroff
}

case ${1-} in
probe | serve | watch)
    "$@"
    ;;
fetch | dependencies | configure | start | stop)
    alone
    "$@"
    ;;
*)
    fail "usage: runner probe | fetch | dependencies | configure | start | stop | serve | watch"
    ;;
esac
