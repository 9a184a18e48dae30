use std::os::unix::fs::{PermissionsExt, symlink};

use azlin_fleet::config::edit::Literal;
use tempfile::TempDir;

use super::*;

const GOOD: &str = include_str!("../../../../config/fleets/ci-workers.toml");

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    std::fs::create_dir(directory.path().join("fleets")).expect("it can be written to");
    for (name, text) in files {
        std::fs::write(directory.path().join("fleets").join(name), text).expect("it can be written to");
    }
    directory
}

fn max(number: i64) -> [KeyChange; 1] {
    [KeyChange::set("scaling.max_runners", Literal::Number(number))]
}

fn pool(name: &str) -> PoolName {
    name.parse().expect("a valid name")
}

fn names(directory: &TempDir) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path().join("fleets")).expect("it is there");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn write(directory: &TempDir, changes: &[KeyChange]) -> Result<Edited, EditError> {
    update(directory.path(), &pool("ci"), changes, IfAbsent::Refuse, Mode::Write)
}

#[test]
fn mode_and_link_stay_and_nothing_is_left_behind() {
    let directory = directory(&[("target", GOOD)]);
    let target = directory.path().join("fleets/target");
    let file = directory.path().join("fleets/ci.toml");
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o640)).expect("it is ours");
    symlink("target", &file).expect("a link can be made");
    let edited = write(&directory, &max(7)).expect("it is good");
    assert_eq!(edited.before.as_deref(), Some(GOOD));
    assert_eq!(std::fs::read_to_string(&target).expect("it is there"), edited.after);
    assert!(file.symlink_metadata().expect("it is there").is_symlink());
    assert_eq!(target.metadata().expect("it is there").permissions().mode() & 0o777, 0o640);
    assert_eq!(names(&directory), [".lock", "ci.toml", "target"]);
}

/// What a power cut between writing and renaming leaves: the old file, and a hidden one beside it.
#[test]
fn what_a_cut_left_is_passed_over_and_cleared_away() {
    let directory = directory(&[("ci.toml", GOOD), (".ci.toml.Xy12ab.tmp", "repo = \"o/")]);
    let read = config_dir::read(directory.path()).expect("it can be read");
    assert_eq!((read.fleets.len(), read.problems.len()), (1, 0));
    write(&directory, &max(7)).expect("it is good");
    assert_eq!(names(&directory), [".lock", "ci.toml"]);
    std::fs::write(directory.path().join("fleets/.ci.toml.Zz90yx.tmp"), "").expect("it can be written");
    write(&directory, &max(7)).expect("it changes nothing");
    assert_eq!(names(&directory), [".lock", "ci.toml"], "cleared away all the same");
}

#[test]
fn nothing_is_written_when_nothing_changes_or_it_would_be_bad_or_it_is_dry() {
    let directory = directory(&[("ci.toml", GOOD)]);
    let inode = || {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(directory.path().join("fleets/ci.toml")).expect("it is there").ino()
    };
    let first = inode();
    let same = [KeyChange::remove("scaling.manual_count")];
    assert!(write(&directory, &same).is_ok());
    let bad = [KeyChange::set("scaling.min_runners", Literal::Number(11))];
    assert!(matches!(write(&directory, &bad), Err(EditError::Refused { is_new: false, .. })));
    let dry = update(directory.path(), &pool("ci"), &max(7), IfAbsent::Refuse, Mode::DryRun);
    assert_ne!(dry.expect("it is good").after, GOOD);
    assert_eq!(inode(), first);
    assert_eq!(std::fs::read_to_string(directory.path().join("fleets/ci.toml")).expect("it is there"), GOOD);
}

#[test]
fn a_bad_file_can_be_fixed() {
    let bad = GOOD.replace("#min_runners = 0", "min_runners = 11");
    let directory = directory(&[("ci.toml", &bad)]);
    assert!(matches!(write(&directory, &max(5)), Err(EditError::Refused { .. })));
    assert_eq!(write(&directory, &max(20)).expect("20 > 11").fleet.scaling.max_runners, 20);
}

#[test]
fn who_waits_too_long_is_told_for_whom() {
    let directory = directory(&[]);
    let fleets = directory.path().join("fleets");
    let _held = lock(&fleets, Duration::ZERO).expect("nobody has it");
    let error = lock(&fleets, Duration::ZERO).expect_err("it is held");
    assert!(matches!(&error, EditError::Locked { .. }));
    assert!(error.to_string().contains(&format!("by process {} (", std::process::id())), "{error}");
    assert!(error.to_string().contains("another azlin github-runner enable, disable or scale"), "{error}");
}

#[test]
fn ten_writers_at_once_lose_nothing() {
    let directory = directory(&[("ci.toml", GOOD)]);
    std::thread::scope(|scope| {
        for writer in 0..10 {
            let directory = directory.path();
            scope.spawn(move || {
                for round in 0..5 {
                    let key = format!("vm.tags.writer{writer}");
                    let change = KeyChange::set(&key, Literal::Text(round.to_string()));
                    update(directory, &pool("ci"), &[change], IfAbsent::Refuse, Mode::Write)
                        .expect("it is good");
                }
            });
        }
    });
    let read = config_dir::read(directory.path()).expect("it can be read");
    assert_eq!(read.fleets[0].vm.tags.len(), 10);
    assert!(read.fleets[0].vm.tags.values().all(|round| round == "4"));
}

#[test]
fn a_pool_that_is_not_there() {
    let directory = directory(&[("ci.toml", GOOD), ("builds.toml", "bad")]);
    let absent = update(directory.path(), &pool("x"), &max(7), IfAbsent::Refuse, Mode::Write);
    let Err(EditError::NoSuchPool { pools, .. }) = absent else { panic!("{absent:?}") };
    assert_eq!(pools, [pool("builds"), pool("ci")]);
    let alike = update(directory.path(), &pool("CI"), &max(7), IfAbsent::Make, Mode::Write);
    assert!(matches!(alike, Err(EditError::Clash(_))), "{alike:?}");
    assert_eq!(names(&directory), [".lock", "builds.toml", "ci.toml"]);
}
