//! `enable`, `disable` and `scale`: their changes to a fleet's file, their messages, and that concurrent
//! calls lose nothing.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use azlin_daemon::InstanceLock;
use azlin_fleet::config::{Fleet, FleetDefaults, NamedFiles};
use azlin_tests::binary::azlin;
use tempfile::TempDir;

const NEW: &[&str] = &[
    "enable",
    "--pool=ci",
    "--repo=o/r",
    "--labels=linux,docker",
    "--subscription-id=00000000-0000-0000-0000-000000000000",
    "--resource-group=rg",
    "--location=westeurope",
    "--subnet-id=/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s",
];

fn command(config: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(azlin());
    command.arg("github-runner").args(arguments).env_clear().env("AZLIN_CONFIG_DIR", config);
    command
}

fn file(config: &Path) -> String {
    std::fs::read_to_string(config.join("fleets/ci.toml")).unwrap()
}

/// What is in the directory of the fleets.
fn files(config: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(config.join("fleets")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn fleet(config: &Path) -> Fleet {
    Fleet::parse("ci.toml", "ci".parse().unwrap(), &file(config)).unwrap()
}

fn fleet_with_defaults(config: &Path) -> Fleet {
    let defaults = FleetDefaults::of(&std::fs::read_to_string(config.join("azlin.toml")).unwrap());
    Fleet::parse_with("ci.toml", "ci".parse().unwrap(), &file(config), &defaults, NamedFiles::Unread).unwrap()
}

/// A configuration directory with the fleet ci.
fn with_fleet() -> TempDir {
    let config = tempfile::tempdir().unwrap();
    assert!(command(config.path(), NEW).output().unwrap().status.success());
    config
}

fn told(config: &Path, output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap().replace(config.to_str().unwrap(), "CONFIG");
    format!("exit {}\n{text}", output.status.code().unwrap())
}

#[test]
fn each_command_prints_what_it_changed() {
    let config = tempfile::tempdir().unwrap();
    let config = config.path();
    let mut tellings = Vec::new();
    let mut tell = |arguments: &[&str], columns: Option<&str>| {
        let mut command = command(config, arguments);
        command.envs(columns.map(|columns| ("COLUMNS", columns)));
        let shown =
            if arguments == NEW { "enable (all that is needed)".to_owned() } else { arguments.join(" ") };
        let columns = columns.map_or(String::new(), |columns| format!(" in {columns} columns"));
        tellings.push(format!("== {shown}{columns}\n{}", told(config, &command.output().unwrap())));
    };
    tell(&["disable", "--pool=ci"], None);
    tell(&["enable", "--pool=ci", "--repo=o/r"], None);
    tell(&[NEW, &["--dry-run"]].concat(), Some("60"));
    tell(NEW, None);
    tell(&["enable", "--pool=ci"], None);
    tell(&["enable", "--pool=ci", "--max-runners=20", "--org=acme", "--tag=team=ci", "--dry-run"], None);
    tell(&["enable", "--pool=ci", "--max-runners=20", "--org=acme", "--tag=team=ci"], Some("40"));
    tell(&["scale", "--pool=ci", "--count=5"], None);
    tell(&["scale", "--pool=ci", "--count=5"], None);
    tell(&["scale", "--pool=ci", "--count=21"], None);
    tell(&["enable", "--pool=ci", "--max-runners=4"], None);
    tell(&["scale", "--pool=ci", "--auto"], None);
    tell(&["scale", "--pool=ci"], None);
    tell(&["scale", "--pool=cli", "--auto"], None);
    tell(&["disable", "--pool=ci", "--dry-run"], None);
    tell(&["disable", "--pool=ci"], None);
    tell(&["enable", "--pool=CI"], None);
    tell(
        &["enable", "--pool=ci", "--cooldown=5 parsecs", "--max-runners=two", "--labels=a b", "--zones=4"],
        None,
    );
    tell(&["enable", "--pool=ci", "--image=ghp_0123456789abcdefghijABCDEFGHIJ012345"], None);
    tell(&["enable", "--pool=ci", "--repo=o/r", "--org=o"], None);
    tell(&["enable", "--pool=ci", "--max-job-count=3", "--min-runners=30"], Some("60"));
    tell(&["enable", "--pool=ci", "--config-dir=CONFIG/missing"], None);
    insta::assert_snapshot!(tellings.join("\n"));
}

const SEEDS_COMMAND: &[&str] = &[
    "enable",
    "--repo=owner/repo",
    "--pool=ci",
    "--labels=linux,docker",
    "--min-runners=0",
    "--max-runners=10",
];

const DEFAULTS: &str = "[defaults.vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
    location = \"uksouth\"\nsubnet_id = \"/subscriptions/0/resourceGroups/rg/providers/x/subnets/s\"\n";

#[test]
fn the_seeds_command_needs_no_azure_option_where_azlin_toml_has_defaults() {
    let config = tempfile::tempdir().unwrap();
    let config = config.path();
    std::fs::write(config.join("azlin.toml"), DEFAULTS).unwrap();
    let made = command(config, SEEDS_COMMAND).output().unwrap();
    assert!(made.status.success(), "{}", told(config, &made));
    assert!(!file(config).contains("\nlocation"), "the defaults stay in azlin.toml: {}", file(config));
    let scaling = fleet_with_defaults(config).scaling;
    assert_eq!((scaling.jobs_per_runner, scaling.scale_up_threshold), (1, 0));
    let again = command(config, SEEDS_COMMAND).output().unwrap();
    assert!(told(config, &again).contains("nothing changed"), "{}", told(config, &again));
    std::fs::write(config.join("azlin.toml"), DEFAULTS.replace("uksouth", "UK South")).unwrap();
    let bad = command(config, &["plan"]).output().unwrap();
    assert!(told(config, &bad).contains("CONFIG/azlin.toml:4:12"), "{}", told(config, &bad));
}

#[test]
fn a_new_fleet_takes_what_was_chosen_elsewhere_and_says_so() {
    let config = tempfile::tempdir().unwrap();
    let cli = tempfile::tempdir().unwrap();
    let (config, cli) = (config.path(), cli.path());
    std::fs::write(
        cli.join("config"),
        "[core]\noutput = table\n[defaults]\ngroup = ci-runners\nlocation = uksouth\n",
    )
    .unwrap();
    let profile = r#"{"subscriptions": [
        {"id": "11111111-1111-1111-1111-111111111111", "name": "Test", "isDefault": false},
        {"id": "22222222-2222-2222-2222-222222222222", "name": "Production", "isDefault": true}]}"#;
    std::fs::write(cli.join("azureProfile.json"), format!("\u{feff}{profile}")).unwrap();
    let told = |arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = command(config, arguments);
        let output = command.env("AZURE_CONFIG_DIR", cli).envs(variables.iter().copied()).output().unwrap();
        told(config, &output).replace(cli.to_str().unwrap(), "AZURE")
    };
    let mut tellings = Vec::new();
    let mut tell = |situation: &str, arguments: &[&str], variables: &[(&str, &str)]| {
        tellings.push(format!("== {situation}\n{}", told(arguments, variables)));
    };
    tell("a subnet is nowhere", SEEDS_COMMAND, &[]);
    let subnet = "--subnet-id=/subscriptions/0/resourceGroups/rg/providers/x/subnets/s";
    tell("the Azure CLI's defaults", &[SEEDS_COMMAND, &[subnet]].concat(), &[]);
    let second = &["enable", "--repo=o/r", "--pool=builds", "--dry-run"];
    tell(
        "a variable stands first, and the other fleet has a subnet",
        second,
        &[("AZURE_DEFAULTS_LOCATION", "westeurope")],
    );
    tell("an existing fleet needs nothing", &["enable", "--pool=ci", "--max-runners=3"], &[]);
    tell("it is disabled", &["disable", "--pool=ci"], &[]);
    tell("a look at a disabled fleet", &["enable", "--pool=ci", "--max-runners=4", "--dry-run"], &[]);
    tell("a disabled fleet", &["enable", "--pool=ci", "--max-runners=4"], &[]);
    insta::assert_snapshot!(tellings.join("\n"));
}

#[test]
fn a_new_file_is_the_documented_example_with_what_was_given() {
    let config = with_fleet();
    insta::assert_snapshot!(file(config.path()));
}

#[test]
fn what_runs_is_said_and_a_look_keeps_no_daemon_from_starting() {
    let (config, run) = (with_fleet(), tempfile::tempdir().unwrap());
    let command = |arguments: &[&str]| {
        let mut command = command(config.path(), arguments);
        command.env("RUNTIME_DIRECTORY", run.path());
        command
    };
    let output = || {
        let output = command(&["enable", "--pool=ci"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(output().contains("No daemon is running on"), "{}", output());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let daemon = runtime.block_on(InstanceLock::acquire(config.path(), Some(run.path()))).unwrap();
    assert!(output().contains("A daemon is running on"), "{}", output());
    drop(daemon);
    // As a command that only reads does. A daemon that starts meanwhile waits for a moment.
    let lock = std::fs::read_dir(run.path()).unwrap().next().unwrap().unwrap().path();
    let look = std::fs::File::open(&lock).unwrap();
    look.lock_shared().unwrap();
    let started = command(&["run", "--once"]).stderr(Stdio::piped()).spawn().unwrap();
    let start = Instant::now();
    while !has_open(started.id(), &lock) {
        assert!(start.elapsed() < azlin_tests::SOON, "it never gets to the lock");
        std::thread::yield_now();
    }
    drop(look);
    let said = String::from_utf8(started.wait_with_output().unwrap().stderr).unwrap();
    assert!(said.contains("there is no token for GitHub"), "it got past the lock: {said}");
}

/// Whether a process has a file open, as it does once it tries to lock it.
fn has_open(process: u32, file: &Path) -> bool {
    let open = match std::fs::read_dir(format!("/proc/{process}/fd")) {
        Ok(open) => open,
        // It lets nobody but root look, and has begun.
        Err(error) => return error.kind() == std::io::ErrorKind::PermissionDenied,
    };
    open.flatten().any(|entry| std::fs::read_link(entry.path()).is_ok_and(|path| path == file))
}

/// Ten processes at once, each with a key of its own, while a reader reads constantly.
#[test]
fn many_writers_lose_nothing_and_no_reader_sees_half_a_file() {
    const ROUNDS: usize = 8;
    let config = with_fleet();
    let config = config.path();
    let is_over = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !is_over.load(Ordering::Relaxed) {
                fleet(config);
                reads += 1;
            }
            reads
        });
        let writers: Vec<_> = (0..10)
            .map(|writer| {
                scope.spawn(move || {
                    for round in 1..=ROUNDS {
                        let arguments = match writer {
                            0 => vec!["scale".to_owned(), format!("--count={round}")],
                            1 => vec!["enable".to_owned(), format!("--priority={round}")],
                            2 => vec!["enable".to_owned(), format!("--cooldown={round}s")],
                            n => vec!["enable".to_owned(), format!("--tag=writer{n}={round}")],
                        };
                        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                        let output = command(config, &arguments).arg("--pool=ci").output().unwrap();
                        assert!(output.status.success(), "{}", told(config, &output));
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(reads > 0);
    let fleet = fleet(config);
    assert_eq!(fleet.scaling.manual_count, Some(8));
    assert_eq!((fleet.priority, fleet.scaling.cooldown.as_secs()), (8, 8));
    assert_eq!(fleet.vm.tags.len(), 7);
    assert!(fleet.vm.tags.values().all(|round| round == "8"), "{:?}", fleet.vm.tags);
    assert_eq!(files(config), [".lock", "ci.toml"], "nothing else is left beside it");
}

/// Writers that are killed at any moment: the file is always whole, and the next writer continues.
#[test]
fn a_writer_that_is_killed_leaves_a_whole_file_and_no_lock() {
    let config = with_fleet();
    let config = config.path();
    for round in 0..40_u64 {
        let count = format!("--count={}", round % 10);
        let mut writer =
            command(config, &["scale", "--pool=ci", &count]).stdout(Stdio::null()).spawn().unwrap();
        // Not a wait for a condition: the moment of the kill varies.
        std::thread::sleep(Duration::from_micros(round * 100));
        writer.kill().unwrap();
        writer.wait().unwrap();
        fleet(config);
    }
    assert!(command(config, &["scale", "--pool=ci", "--count=7"]).output().unwrap().status.success());
    assert_eq!(fleet(config).scaling.manual_count, Some(7));
    assert_eq!(files(config), [".lock", "ci.toml"], "nothing else is left beside it");
}
