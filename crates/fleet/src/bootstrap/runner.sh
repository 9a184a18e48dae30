#!/bin/sh
# Makes this machine a GitHub Actions runner. Each command can be repeated: what is done is not done
# again, what was cut off goes on. Secrets come by standard input or a file, never by argument.
#
#   runner probe                                     what is there, as NAME=value lines
#   runner setup                                     what the fleet gives the machine; waits until its unit has ended
#   runner fetch URL SHA256 VERSION                  the runner's program, checked before it is unpacked
#   runner dependencies                              what the program needs of the system
#   runner register ID NAME                          for one job: the JIT configuration is the first line of standard input
#   runner configure URL NAME LABELS GROUP           for several jobs: the token is the first line of standard input
#   runner start                                     its service; a runner for one job powers off at its end
#   runner drain                                     ends the runner and powers off, unless a job runs
#   runner standby PREPARE                           sets up by that program, then is the runner that the user data name, or powers off
#   runner attend                                    drains when the VM's user data asks for it, for ever
#   runner fit SECONDS [docker] [sudo] [group:NAME …]  that unit: sets the machine up, once
#   runner serve                                     with a JIT configuration, in the foreground
#   runner watch SECONDS                             drains when no job has run for so long
set -eu
# What jobs find is what the system has; only what may be missing is added.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
user=runner
home=/opt/actions-runner
# Root's own: what is in $home belongs to the jobs, and is never trusted once one has run.
state=/var/lib/azlin-runner
# Where this is, no unit of a runner starts any more.
ended=/run/azlin-ended
# In a folder of the user's own, so that it can be removed once it is used.
jitconfig=$state/jit/config
# The unit that serves with it.
serving=azlin-runner.service
# What the fleet gives the machine beside its runner: files that custom data brings, and the unit that uses them.
given=/usr/local/lib/azlin/fleet
setting_up=azlin-setup.service
# Where the runner's program writes what it does, and its programs; after an update they are in bin.VERSION.
bin="$home/bin[^/]*"

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

# Makes what an image brought the user's own. Once, before any job: later a job may have laid links there, and root would
# give away what they lead to. Root runs nothing of $home itself, and writes nothing there.
own() {
    [ ! -e "$state/owned" ] || return 0
    mkdir -p "$state"
    ensure_user
    chown -R "$user:$user" "$home"
    : >"$state/owned"
}

# The version of the program, if there is one and it is whole. What is found out is kept where no job can change it.
version() {
    if [ -e "$state/unpacking" ]; then
        return 0
    elif [ -s "$state/version" ]; then
        cat "$state/version"
    elif [ -x "$home/bin/Runner.Listener" ] && [ ! -e "$state/registered" ]; then
        own
        (cd "$home" && as_user ./bin/Runner.Listener --version 2>/dev/null </dev/null) |
            sed -n -E '1s/^([0-9][0-9.]*)[[:space:]]*$/\1/p' >"$state/version.new" || :
        mv "$state/version.new" "$state/version"
        cat "$state/version"
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

# Whether a job runs. If that cannot be told, one does.
works() {
    code=0
    pgrep -f "$bin/Runner\.Worker" >/dev/null || code=$?
    [ "$code" -ne 1 ]
}

# The id and the name of the runner that this machine is: by its JIT configuration while that waits or its unit runs, or by
# what config.sh wrote.
identity() {
    if [ -s "$jitconfig" ] || { [ "$(unit)" = "$serving" ] && [ "$1" = active ]; }; then
        cat "$state/registered" 2>/dev/null || :
    elif [ "$(unit)" != "$serving" ]; then
        echo "$(configured agentId) $(configured agentName)"
    fi
}

probe() {
    service=$(service)
    identity=$(identity "$service")
    echo "version=$(version)"
    echo "runner_id=${identity%% *}"
    echo "runner_name=${identity#* }"
    echo "registered=$(cat "$state/registered" 2>/dev/null || :)"
    echo "service=$service"
    if works; then echo job=running; else echo job=none; fi
    if [ -e "$state/dependencies" ]; then echo dependencies=installed; else echo dependencies=unknown; fi
    if [ -e "$state/fitted" ]; then echo setup=done; else echo setup=none; fi
}

# A machine that boots for the first time installs and updates by itself, and holds apt's locks.
await_boot() {
    [ -e /var/lib/cloud/instance/boot-finished ] || timeout 300 cloud-init status --wait >/dev/null 2>&1 || :
}

# Its unit goes on where a connection was lost; a second call waits for the same unit.
setup() {
    mkdir -p "$state"
    [ ! -e "$state/fitted" ] || return 0
    systemctl start "$setting_up" 2>/dev/null || :
    [ -e "$state/fitted" ] || fail "$(cat "$state/unfit" 2>/dev/null || echo 'the setup has ended without a word')"
}

# Ends the setup for good. The last lines that it printed are kept for the daemon; the console has them.
unfit() {
    echo "$1: $(cat "$state/last" 2>/dev/null || echo 'it printed nothing')" >"$state/unfit"
    fail "$1"
}

# Lines up to 1000, and of more the last ones at the end. The last ones are kept in one line.
show() {
    awk -v mark="$1" -v kept="$state/last" '
        !NF || $0 == mark { next }
        { last[++n % 8] = $0 }
        n <= 1000 { print; fflush() }
        n == 1001 { print "more than 1000 lines: of the others the last ones follow at the end"; fflush() }
        END {
            for (i = n > 8 ? n - 7 : 1; i <= n; i++) {
                if (n > 1000) print last[i % 8]
                printf "%s%s", last[i % 8], (i < n ? " | " : "\n") >kept
            }
        }
    '
}

# Once: what was cut off may be half done. What does not end within the limit is killed.
fit() {
    limit=$1
    shift
    mkdir -p "$state"
    [ ! -e "$state/fitted" ] || return 0
    [ ! -e "$state/unfit" ] || fail "$(cat "$state/unfit")"
    [ ! -e "$state/fitting" ] ||
        unfit "the setup was cut off before its end and is not begun again; the setup script may not restart the machine"
    : >"$state/fitting"
    await_boot
    mark=$(cat /proc/sys/kernel/random/uuid)
    mkfifo "$state/output" "$state/lines"
    # Lines of limited length: a line without an end fills no memory.
    stdbuf -oL fold -b -w 300 <"$state/output" >"$state/lines" &
    folds=$!
    # Up to the mark: what was left running may hold the pipe open, and mawk reads on until its buffer is full.
    stdbuf -oL sed "/^$mark\$/q" <"$state/lines" | show "$mark" &
    shown=$!
    exec 7>"$state/output"
    code=0
    timeout --kill-after=10 "$limit" "$0" outfit "$@" >&7 2>&1 7>&- </dev/null || code=$?
    printf '\n%s\n' "$mark" >&7
    wait "$shown" || :
    kill "$folds" 2>/dev/null || :
    rm -f "$state/output" "$state/lines"
    case $code in
    0) mv "$state/fitting" "$state/fitted" ;;
    124 | 137) unfit "the setup did not end within setup_timeout ($limit s)" ;;
    *) unfit "the setup ended with $code" ;;
    esac
}

# The setup itself, in this order: a script finds the proxy, the certificates and Docker, and may make groups.
outfit() {
    HOME=/root
    export HOME
    cd /root
    ensure_user
    set_proxies
    trust
    for gift in "$@"; do
        [ "$gift" != docker ] || provide_docker
    done
    [ ! -e "$given/setup" ] || "$given/setup"
    for gift in "$@"; do
        case $gift in
        docker) join docker ;;
        sudo) allow_sudo ;;
        group:*) join "${gift#group:}" ;;
        esac
    done
}

# The fleet's proxy takes the place of the image's, for everything on the machine.
set_proxies() {
    [ -e "$given/proxies" ] || return 0
    {
        [ ! -e /etc/environment ] ||
            sed -E '/^[[:space:]]*(export[[:space:]]+)?((https?|no|all)_proxy|(HTTPS?|NO|ALL)_PROXY)=/d' /etc/environment
        cat "$given/proxies"
    } >"$state/environment"
    cat "$state/environment" >/etc/environment
    use_proxies
    if [ -d /etc/apt/apt.conf.d ]; then
        # sudo passes no variables on.
        sed -n -E 's/^(https?)_proxy=(.*)/Acquire::\1::Proxy "\2";/p' "$given/proxies" >/etc/apt/apt.conf.d/95azlin
    fi
    mkdir -p /etc/systemd/system/docker.service.d
    { echo '[Service]' && sed -E 's/(.*)/Environment="\1"/' "$given/proxies"; } >/etc/systemd/system/docker.service.d/azlin.conf
}

# The places where distributions look for certificates of their own.
trust() {
    [ -e "$given/ca.pem" ] || return 0
    if [ -d /etc/pki/ca-trust/source/anchors ]; then
        cp "$given/ca.pem" /etc/pki/ca-trust/source/anchors/azlin.pem
        update-ca-trust extract
    elif [ -d /etc/pki/trust/anchors ]; then
        cp "$given/ca.pem" /etc/pki/trust/anchors/azlin.pem
        update-ca-certificates
    elif command -v update-ca-certificates >/dev/null; then
        # One certificate a file.
        mkdir -p /usr/local/share/ca-certificates
        awk '/-----BEGIN CERTIFICATE-----/ { n++ } n { print >("/usr/local/share/ca-certificates/azlin-" n ".crt") }' "$given/ca.pem"
        update-ca-certificates
    else
        fail "this system ($(system)) has no program that adds certificates: install ca-certificates in the image"
    fi
}

use_apt() {
    echo 'DPkg::Lock::Timeout "60";' >"$state/apt.conf"
    DEBIAN_FRONTEND=noninteractive APT_CONFIG="$state/apt.conf"
    export DEBIAN_FRONTEND APT_CONFIG
}

install_docker() {
    if command -v apt-get >/dev/null; then
        use_apt
        apt-get update && apt-get install -y docker.io
    elif command -v tdnf >/dev/null; then
        tdnf install -y moby-engine moby-cli
    elif command -v zypper >/dev/null; then
        zypper --non-interactive install docker
    elif command -v dnf >/dev/null; then
        dnf install -y moby-engine || dnf install -y docker
    else
        return 1
    fi
}

provide_docker() {
    if ! command -v docker >/dev/null; then
        tries=0
        until install_docker; do
            tries=$((tries + 1))
            [ "$tries" -lt 3 ] ||
                fail "Docker could not be installed from the packages of this system ($(system)): use an image that has it, or install it in bootstrap.setup"
            sleep 5
        done
    fi
    getent group docker >/dev/null || groupadd --system docker
    systemctl daemon-reload
    systemctl --quiet enable --now docker.service ||
        fail "docker.service does not start: $(systemctl status --lines 3 --no-pager docker.service 2>&1 | tail -n 3)"
    tries=0
    until docker version >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || fail "docker.service runs, and Docker does not answer: $(docker version 2>&1 | tail -n 1)"
        sleep 1
    done
}

join() {
    getent group "$1" >/dev/null ||
        fail "there is no group $1 on this machine: make it in bootstrap.setup (groupadd --system $1), or remove it from user_groups"
    usermod --append --groups "$1" "$user"
}

allow_sudo() {
    command -v sudo >/dev/null || fail "there is no sudo on this machine: install it in bootstrap.setup, or remove sudo = true"
    printf '%s ALL=(ALL) NOPASSWD: ALL\n' "$user" >"$state/sudoers"
    install -m 0440 "$state/sudoers" /etc/sudoers.d/azlin-runner
}

fetch() {
    url=$1 sha256=$2 version=$3
    ensure_user
    spare_from_restarts
    mkdir -p "$home"
    own
    if [ -n "$version" ] && [ "$(version)" = "$version" ] || [ -z "$version" ] && [ -n "$(version)" ]; then
        return
    fi
    use_proxies
    archive="$state/runner-$sha256.tar.gz"
    # Plain HTTP is for this machine alone.
    case "$url" in
    http://127.* | 'http://[::1]'*) protocol='=http' ;;
    *) protocol='=https' ;;
    esac
    if [ ! -e "$archive" ]; then
        tries=0
        until curl --fail --silent --show-error --location --proto "$protocol" --proto-redir =https --connect-timeout 20 --speed-limit 1000 --speed-time 30 \
            --continue-at - --output "$archive.part" --url "$url"; do
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
    found=$(sha256sum "$archive" | cut -d ' ' -f 1)
    if [ "$found" != "$(printf %s "$sha256" | tr A-F a-f)" ]; then
        rm -f "$archive"
        fail "wrong checksum: $url has the SHA-256 $found, and GitHub says $sha256; nothing was unpacked"
    fi
    : >"$state/unpacking"
    rm -f "$state/version"
    as_user tar -xzf - --no-same-owner -C "$home" <"$archive"
    [ -z "$version" ] || echo "$version" >"$state/version"
    rm -f "$state/unpacking" "$archive"
}

# installdependencies.sh knows these systems, and fails on others.
is_known() {
    [ -e /etc/debian_version ] || [ -e /etc/redhat-release ] || grep -q '^ID_LIKE=.*suse' /etc/os-release
}

install_dependencies() {
    if is_known; then
        use_apt
        ./bin/installdependencies.sh </dev/null
    elif command -v tdnf >/dev/null; then
        # Azure Linux.
        tdnf install -y icu krb5 openssl-libs zlib </dev/null
    fi
}

dependencies() {
    [ ! -e "$state/dependencies" ] || return 0
    use_proxies
    cd "$home"
    await_boot
    tries=0
    until install_dependencies; do
        tries=$((tries + 1))
        [ "$tries" -lt 5 ] || fail "the runner's dependencies could not be installed in $tries tries"
        sleep 15
    done
    rm -f "$state/invariant"
    if ! is_known && ! ldconfig -p | grep -q libicuuc; then
        # .NET ends at its start where there is no libicu, unless it is told to do without.
        : >"$state/invariant"
    fi
    use_invariant
    why=$(as_user ./bin/Runner.Listener --version 2>&1 >/dev/null </dev/null) ||
        fail "the runner's program does not start on this system ($(system)): $(echo "$why" | head -n 3)"
    : >"$state/dependencies"
}

system() {
    sed -n -E 's/^PRETTY_NAME="?([^"]*)"?$/\1/p' /etc/os-release
}

use_invariant() {
    [ ! -e "$state/invariant" ] || export DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1
}

# An image may have been made of a machine that was a runner.
forget_other_runner() {
    cd "$home"
    [ -z "$(unit)" ] || systemctl disable --now -- "$(unit)" || :
    rm -f "$state/unit" /etc/systemd/system/actions.runner.*.service "$jitconfig"
    rm -f .runner .runner_migrated .credentials .credentials_migrated .credentials_rsaparams .service
    own
}

# Keeps what this machine was registered as, where no job can change it.
note_registered() {
    echo "$1 $2" >"$state/registered.new"
    mv "$state/registered.new" "$state/registered"
}

register() {
    id=$1 name=$2
    IFS= read -r jit || :
    [ -n "$jit" ] || fail "no JIT configuration came on standard input"
    ensure_user
    forget_other_runner
    install -d -o "$user" -g "$user" -m 0700 "$state/jit"
    (umask 077 && echo "$jit" >"$state/jitconfig.new")
    chmod 0400 "$state/jitconfig.new"
    chown "$user:$user" "$state/jitconfig.new"
    mv "$state/jitconfig.new" "$jitconfig"
    # Last: a machine that says what it was registered as, and has no configuration, has had its job.
    note_registered "$id" "$name"
}

configure() {
    url=$1 name=$2 labels=$3 group=$4
    IFS= read -r token || :
    ensure_user
    use_proxies
    cd "$home"
    if [ "$(configured agentName)" != "$name" ]; then
        forget_other_runner
        set -- --unattended --url "$url" --name "$name" --labels "$labels" --work _work --replace \
            --disableupdate --no-default-labels
        [ -z "$group" ] || set -- "$@" --runnergroup "$group"
        use_invariant
        # config.sh itself insists on libicu, and only calls this.
        if [ -e "$state/invariant" ]; then
            set -- ./bin/Runner.Listener configure "$@"
        else
            set -- ./config.sh "$@"
        fi
        ACTIONS_RUNNER_INPUT_TOKEN=$token as_user "$@" </dev/null
    fi
    id=$(configured agentId)
    [ -n "$id" ] || fail "config.sh has left no runner id in $home/.runner"
    note_registered "$id" "$name"
    echo "runner_id=$id"
}

# The unit of a runner for one job, as custom data has it for a machine that installs itself: its end shows.
install_serving() {
    cat >"/etc/systemd/system/$serving" <<END
[Unit]
Description=GitHub Actions runner
After=network-online.target
Wants=network-online.target
ConditionPathExists=!$ended

[Service]
Type=exec
User=$user
ExecStart=$0 serve
ExecStopPost=+/bin/systemctl --no-block poweroff
SyslogIdentifier=azlin-runner
StandardOutput=journal+console
StandardError=journal+console

[Install]
WantedBy=multi-user.target
END
    unit=$serving
}

# The unit of a runner for several jobs, as svc.sh makes it. No job has run yet.
install_service() {
    as_user "$0" environment
    cd "$home"
    # config.sh makes it last, and was cut off before.
    use_invariant
    [ -e svc.sh ] || as_user ./bin/Runner.Listener configure --generateServiceConfig </dev/null
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
    mkdir -p "/etc/systemd/system/$unit.d"
    {
        printf '[Unit]\nConditionPathExists=!%s\n[Service]\n' "$ended"
        [ ! -e "$state/invariant" ] || echo 'Environment=DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1'
    } >"/etc/systemd/system/$unit.d/azlin.conf"
}

start() {
    if [ -z "$(unit)" ]; then
        spare_from_restarts
        if [ -s "$jitconfig" ]; then install_serving; else install_service; fi
        systemctl daemon-reload
        echo "$unit" >"$state/unit.new"
        mv "$state/unit.new" "$state/unit"
    fi
    systemctl --quiet enable --now -- "$(unit)"
}

# Each listener with how often each of its threads has run: another text, and one has run in between.
listeners() {
    for pid in $(pgrep -f "$bin/Runner\.Listener run" || :); do
        echo "listener $pid $(cat "/proc/$pid"/task/*/status 2>/dev/null | grep ctxt | tr -d '\n')"
    done
}

pids() {
    listeners | cut -d ' ' -f 2
}

# The control group of a process, where it can be frozen (cgroup v2) and is not this script's own.
group_of() {
    path=$(sed -n 's/^0:://p' "/proc/$1/cgroup")
    [ "$path" != "$(sed -n 's/^0:://p' /proc/self/cgroup)" ] && [ "$path" != / ] || return 0
    for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do
        [ ! -w "$root$path/cgroup.freeze" ] || echo "$root$path"
    done
}

is_stopped() {
    # The name, in brackets, may contain anything.
    ! sed -E 's/.*\) (.).*/\1/' "/proc/$1"/task/*/stat 2>/dev/null | grep -q '[^TtZX]'
}

within_two_seconds() {
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || return 1
        sleep 0.02
    done
}

# Freezes what listens. A whole control group where that can be: no signal of a job's leftovers wakes that.
freeze() {
    for pid in $(pids); do
        group=$(group_of "$pid")
        if [ -n "$group" ]; then frozen="$frozen $group"; else stopped="$stopped $pid"; fi
    done
    # Nothing stays frozen, whatever becomes of this script.
    (
        exec 8>&-
        sleep 20
        give_up
    ) >/dev/null 2>&1 &
    guard=$!
    for group in $frozen; do
        echo 1 >"$group/cgroup.freeze"
        within_two_seconds grep -q '^frozen 1$' "$group/cgroup.events" || return 1
    done
    for pid in $stopped; do
        kill -STOP "$pid" 2>/dev/null || :
        within_two_seconds is_stopped "$pid" || return 1
    done
}

thaw() {
    for group in $frozen; do
        [ ! -e "$group" ] || echo 0 >"$group/cgroup.freeze" || :
    done
    for pid in $stopped; do
        kill -CONT "$pid" 2>/dev/null || :
    done
    [ -z "$guard" ] || kill "$guard" 2>/dev/null || :
    frozen='' stopped='' guard=''
}

give_up() {
    # What another drain has ended stays ended.
    [ -z "$bars" ] || rm -f "$ended"
    thaw
}

# Whether a listener's log shows a job that it asks for, or has and not finished. The listener writes each line
# before it goes on (actions/runner: HostTraceListener.cs), so a job that is not in its log was not asked for. It
# reads its credentials before it asks for a job, as before a session (Runner.cs, BrokerMessageListener.cs).
has_taken() {
    log=
    for fd in "/proc/$1/fd"/*; do
        case $(readlink "$fd" || :) in
        */_diag/Runner_*.log*) [ ! -f "$fd" ] || log=$fd ;;
        esac
    done
    [ -n "$log" ] || return 0
    code=0
    timeout 5 awk '
        BEGIN { listens = by_broker = 1 }
        !/^\[[^]]*\] / { next }
        { at = index($0, "] "); text = substr($0, at + 2); source = substr($0, 1, at - 1); sub(/.* /, "", source) }
        source == "Listener" && text ~ /^Runner is built for / { listens = by_broker = asks = has = 0 }
        source == "Runner" && text ~ /^Using BrokerMessageListener/ { by_broker = 1 }
        source == "Terminal" && text ~ /^WRITE LINE: .*: Listening for Jobs/ { listens = 1; asks = has = 0 }
        source == "ConfigurationStore" && text ~ /^HasCredentials/ { asks = asks || listens && by_broker && !renews; renews = 0 }
        source == "JobDispatcher" && text ~ /^Job request .* received/ { has = 1 }
        source == "Runner" && text ~ /^Received job message/ { has = 1 }
        source == "Runner" && text ~ /^(Skipping message Job|Caught exception from acquiring|Skip message deletion)/ { asks = 0 }
        source !~ /^(Broker)?MessageListener$/ { next }
        source == "MessageListener" { by_broker = 0 }
        text ~ /^Attempt to create session/ { listens = asks = 0 }
        text ~ /^Session created/ { listens = 1; asks = 0 }
        text ~ /^Reload credentials/ { renews = 1 }
        text ~ /^(Acknowledging runner request|Message .* received)/ { asks = 1 }
        text ~ /JobState: Busy/ { has = 1 }
        text ~ /JobState: Online/ { asks = has = 0 }
        END { exit !(asks || has) }
    ' "$log" || code=$?
    [ "$code" -ne 1 ]
}

# A doubt that lasts so long, with no line more in the log, is none: a listener asks for a job, or starts its
# worker, within minutes, and writes of each failure. The time is that since the boot, which nobody sets.
is_settled() {
    now="$1 $(wc -c <"$log")"
    up=$(cut -d . -f 1 /proc/uptime)
    doubt=$(cat /run/azlin-doubt 2>/dev/null || :)
    [ "${doubt% *}" = "$now" ] && [ "${doubt##* }" -le "$up" ] || echo "$now $up" >/run/azlin-doubt
    since=$(sed 's/.* //' /run/azlin-doubt)
    [ $((up - since)) -ge 900 ]
}

is_idle() {
    before=$(listeners)
    ! works || return 1
    for pid in $(echo "$before" | cut -d ' ' -f 2); do
        if has_taken "$pid"; then
            [ -n "$log" ] && is_settled "$pid" || return 1
        fi
    done
    [ "$before" = "$(listeners)" ]
}

busy() {
    give_up
    echo drain=busy
    exit 0
}

# The VM is the witness: whatever GitHub says, a runner ends only while it stands still and has no job. Not under
# the lock of the others: an installation has nothing that could be lost, and the power goes under it.
drain() {
    mkdir -p "$state"
    frozen='' stopped='' guard='' bars=''
    exec 8>"$state/drain"
    flock -w 10 8 || busy
    ! works || busy
    trap give_up EXIT
    trap 'exit 1' HUP INT PIPE TERM
    # From here on systemd starts no listener: an installation may be about to.
    if [ ! -e "$ended" ]; then
        bars=1
        : >"$ended"
    fi
    if ! freeze || ! is_idle; then busy; fi
    for pid in $(pids); do
        kill -KILL "$pid" 2>/dev/null || :
    done
    trap - EXIT
    kill "$guard" 2>/dev/null || :
    # Where none listens yet, its unit may have started: it ends before it can.
    [ -n "$before" ] || end_units
    echo drain=ended
    # The answer gets out before the network goes, and what remains needs no session.
    # shellcheck disable=SC2086
    systemd-run --quiet --collect "$0" off $frozen || "$0" off $frozen
}

end_units() {
    for unit in "$serving" $(unit); do
        systemctl kill --signal=KILL -- "$unit" 2>/dev/null || :
    done
}

# The rest of a drain, once no listener lives. What would start one again dies frozen.
off() {
    frozen=$* stopped='' guard=''
    sleep 1
    end_units
    thaw
    systemctl --no-block poweroff
}

# The machine's user data, as its metadata service has them.
read_user_data() {
    url='http://169.254.169.254/metadata/instance/compute/userData?api-version=2021-01-01&format=text'
    encoded=$(curl -q --silent --fail --noproxy '*' --max-time 2 --header Metadata:true "$url") || return 1
    text=$(echo "$encoded" | base64 -d 2>/dev/null)
}

# The text alone asks for it, with the number of the request: no other, and nothing around it.
is_asked() {
    read_user_data || return 1
    case ${text#azlin-drain } in
    "$text" | '' | *[!0-9]*) return 1 ;;
    esac
}

# At each boot of a machine for standby. One that has had a runner has no use any more: it never gets a second.
standby() {
    if [ ! -e "$state/prepared" ]; then
        # At a later boot cloud-init's end is not waited for: nothing is installed.
        await_boot
        "$1"
        : >"$state/prepared"
    fi
    text=
    tries=0
    until read_user_data || [ "$tries" -ge 30 ]; do
        tries=$((tries + 1))
        sleep 1
    done
    case $text in
    'azlin-run '*' '*' '*)
        if [ ! -e "$state/registered" ]; then
            rest=${text#azlin-run }
            id=${rest%% *} rest=${rest#* }
            echo "${rest#* }" | "$0" register "$id" "${rest%% *}"
            exec "$0" start
        fi
        ;;
    esac
    sync
    systemctl --no-block poweroff
}

attend() {
    said=
    while :; do
        if is_asked; then
            answer=$("$0" drain) || answer=failed
            # On the console, where the daemon looks for the number of its request.
            answer="$text: ${answer#drain=}"
            [ "$answer" = "$said" ] || echo "$answer"
            said=$answer
        fi
        sleep 5
    done
}

# The runner's .env: the image's lines, without those that the machine's proxies and the fleet's variables replace. The user
# of the jobs writes it, whose folder it is.
environment() {
    cd "$home"
    touch .env
    set_here=$(
        proxies
        [ ! -r "$given/env" ] || cat "$given/env"
    )
    set_here=$set_here awk '
        function name(line) { return substr(line, 1, index(line, "=") - 1) }
        BEGIN {
            n = split(ENVIRON["set_here"], lines, "\n")
            for (i = 1; i <= n; i++) given[name(lines[i])]
        }
        tolower($0) !~ /^(https?|no|all)_proxy=/ && !(index($0, "=") && name($0) in given)
        END { for (i = 1; i <= n; i++) print lines[i] }
    ' .env >.env.new
    mv .env.new .env
}

# The environment hands the configuration over: arguments are visible to every user.
serve() {
    use_proxies
    [ -s "$jitconfig" ] || fail "the JIT configuration was used before"
    ACTIONS_RUNNER_INPUT_JITCONFIG=$(cat "$jitconfig")
    export ACTIONS_RUNNER_INPUT_JITCONFIG
    rm -f "$jitconfig"
    use_invariant
    environment
    exec ./run.sh
}

# The seconds since this machine's first process began, which the kernel counts in hundredths. /proc/uptime alone
# is the host's where a machine is a container.
age() {
    began=$(sed 's/.*) //' /proc/1/stat | cut -d ' ' -f 20)
    echo $(($(cut -d . -f 1 /proc/uptime) - began / 100))
}

# The dead man's switch: a daemon that lives would have replaced this machine long before. By the time since
# it booted, which no clock that is set changes, and by what jobs have written last.
watch() {
    limit=$1
    [ "$(age)" -ge "$limit" ] || return 0
    ! works || return 0
    [ -z "$(find "$home/_diag" -name 'Worker_*.log' -mmin "-$(((limit + 59) / 60))" 2>/dev/null)" ] || return 0
    echo "no job for $limit seconds, and no daemon has replaced this machine: it powers off"
    drain
}

case ${1-} in
probe | setup | fit | outfit | environment | drain | off | standby | attend | serve | watch)
    "$@"
    ;;
fetch | dependencies | register | configure | start)
    alone
    "$@"
    ;;
*)
    fail "usage: runner probe | setup | fetch | dependencies | register | configure | start | drain | standby | attend | serve | watch"
    ;;
esac
