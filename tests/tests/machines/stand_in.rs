//! The stand-in for the runner's program ends and begins again as the real one does, and the program of the
//! daemon copes with systems that the runner does not know.

use azlin_fleet::model::Step;
use azlin_tests::machines::RealCloud;

use crate::fixture::{RUNNER, configured, is_online, prepared, said, step};

/// Runs a script of the runner with a listener that ends with these codes, one after another. Returns how often
/// it ran, and the script's own exit code.
fn ends(cloud: &RealCloud, script: &str, variables: &str, codes: &str) -> String {
    let listener = "#!/bin/sh\nread -r code rest </tmp/codes; echo \"$rest\" >/tmp/codes; echo >>/tmp/runs\nexit $code\n";
    let setup = format!(
        "rm -rf /tmp/runs; echo '{codes}' >/tmp/codes; chmod 666 /tmp/codes; cd /opt/actions-runner; \
        printf '{listener}' >bin/Runner.Listener; printf '#!/bin/sh\n' >/opt/ours/sleep; chmod 755 /opt/ours/sleep"
    );
    let run = format!(
        "runuser -u runner -- env PATH=/opt/ours:$PATH STANDIN_RELAUNCH=0.01 {variables} {script} >/dev/null"
    );
    said(
        cloud,
        "vm",
        &format!("mkdir -p /opt/ours; {setup}; code=0; {run} || code=$?; echo $(wc -l </tmp/runs) $code"),
    )
}

#[test]
fn its_scripts_end_and_begin_again_by_the_exit_code_of_the_listener() {
    let cloud = RealCloud::new("", "");
    prepared(&cloud, "vm");
    let deprecated = "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE=1";
    let run = "./run.sh";
    let service = "python3 bin/RunnerService.py";
    let ten_and_more = "2 2 3 4 2 2 2 2 2 2 2 2 0";
    for (script, variables, codes, expected) in [
        (run, "", "0 0", "1 0"),
        (run, "", "1 0", "1 0"),
        (run, "", "5 0", "1 0"),
        (run, "", "7 0", "1 0"),
        (run, deprecated, "7 0", "1 7"),
        (run, "", "134 0", "1 0"),
        (run, "", "2 2 0", "3 0"),
        (run, "", "3 4 0", "3 0"),
        (service, "", "0 0", "1 0"),
        (service, "", "1 0", "1 0"),
        (service, "", "5 0", "1 0"),
        (service, "", ten_and_more, "10 0"),
        (service, "", "7 7 134 7 0", "5 0"),
        (service, "GITHUB_ACTIONS_SERVICE_EXIT_AFTER_N_FAILURES=2", "7 7 0", "2 0"),
    ] {
        assert_eq!(ends(&cloud, script, variables, codes), expected, "{script} {variables} {codes}");
    }
}

#[test]
fn on_a_system_that_it_does_not_know_the_runner_does_without_libicu_or_says_why_it_cannot() {
    let cloud = RealCloud::new("", "");
    prepared(&cloud, "vm");
    let dependencies = Step::Dependencies.command();
    said(
        &cloud,
        "vm",
        "rm /etc/debian_version; printf 'ID=odd\\nPRETTY_NAME=\"Odd Linux 3\"\\n' >/etc/os-release",
    );
    // As .NET ends that finds no libicu.
    said(
        &cloud,
        "vm",
        "cd /opt/actions-runner/bin; mv Runner.Listener ours; printf '%s\\n' '#!/bin/sh' '[ -n \"$DOTNET_SYSTEM_GLOBALIZATION_INVARIANT\" ] || exit 134' 'exec python3 /opt/actions-runner/bin/ours \"$@\"' >Runner.Listener; chmod 755 Runner.Listener; chown runner Runner.Listener",
    );
    let broken = format!("ldconfig() {{ echo libicuuc; }}; . {RUNNER}");
    let refused = cloud.inside("vm", &format!("set -- dependencies; {broken}"));
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && why.contains("does not start on this system (Odd Linux 3)"),
        "{why}"
    );
    said(&cloud, "vm", &dependencies);
    configured(&cloud, "vm");
    step(&cloud, "vm", &Step::Start);
    cloud.wait("it is online", 60, |world| is_online(world, "vm"));
    // Azure Linux has a package manager of its own.
    said(
        &cloud,
        "vm",
        "printf '#!/bin/sh\\necho $* >>/tmp/tdnf\\n' >/usr/bin/tdnf; chmod 755 /usr/bin/tdnf; rm /var/lib/azlin-runner/dependencies",
    );
    said(&cloud, "vm", &dependencies);
    assert_eq!(said(&cloud, "vm", "cat /tmp/tdnf"), "install -y icu krb5 openssl-libs zlib");
}
