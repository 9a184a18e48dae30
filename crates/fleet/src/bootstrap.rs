//! How a VM becomes a runner: by itself from its custom data, or step by step over SSH. Both do it
//! with the same program, [`RUNNER`].

pub mod cloud_init;
pub mod console;
pub mod drain;
pub mod jit_config;
pub mod retries;
pub mod setup;
pub mod standby;
pub mod steps;

use crate::config::Fleet;
use crate::model::{Download, Label, RunnerConfig, RunnerName};

/// The program that does it on the machine, for a POSIX shell.
pub const RUNNER: &str = include_str!("bootstrap/runner.sh");

/// The download that fits the fleet's VMs.
///
/// # Errors
/// Why there is none, or none that a VM may fetch.
pub fn download_for<'d>(fleet: &Fleet, downloads: &'d [Download]) -> Result<&'d Download, String> {
    let (os, architecture) = (fleet.vm.os().download(), fleet.vm.architecture().label());
    let fits =
        |download: &&Download| download.os == os && download.architecture.eq_ignore_ascii_case(architecture);
    let Some(found) = downloads.iter().find(fits) else {
        return Err(format!("GitHub offers no runner for {} on {architecture}", fleet.vm.os()));
    };
    match found.refusal() {
        Some(why) => Err(format!("the runner that GitHub offers is not fetched: {why}")),
        None => Ok(found),
    }
}

/// The fleet's labels and the implicit ones: a runner gets only what it is given.
pub fn labels(fleet: &Fleet) -> Vec<Label> {
    fleet.all_labels()
}

/// What a runner of the fleet is registered with, where GitHub makes its entry first.
pub fn runner_config(fleet: &Fleet, runner_name: RunnerName) -> RunnerConfig {
    let (scope, runner_group) = (fleet.scope.clone(), fleet.runner_group.clone());
    let scale_set = fleet.scale_set_name().map(str::to_owned);
    RunnerConfig { scope, runner_name, labels: labels(fleet), runner_group, scale_set }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::fleet_with;

    #[test]
    fn the_download_is_that_of_the_fleet_s_architecture() {
        let offer = |os: &str, architecture: &str| Download {
            os: os.into(),
            architecture: architecture.into(),
            url: "https://github.com/r.tar.gz".to_owned(),
            filename: format!("{os}-{architecture}"),
            sha256: Some("5d".repeat(32)),
        };
        let offered = [offer("win", "x64"), offer("linux", "arm64"), offer("linux", "x64")];
        let mut fleet = fleet_with("ci", "", "");
        assert_eq!(download_for(&fleet, &offered), Ok(&offered[2]));
        fleet.vm.sizes = vec!["Standard_D4ps_v5".to_owned()];
        assert_eq!(download_for(&fleet, &offered), Ok(&offered[1]));
        let none = download_for(&fleet, &offered[..1]).expect_err("there is none");
        assert_eq!(none, "GitHub offers no runner for Linux on ARM64");
        let unsafe_one = Download { url: "http://h/r.tar.gz".to_owned(), ..offered[1].clone() };
        let refused = download_for(&fleet, &[unsafe_one]).expect_err("it is not fetched");
        assert!(refused.contains("is not fetched"), "{refused}");
    }

    #[test]
    fn a_runner_has_the_implicit_labels_and_its_own_each_once() {
        let fleet = fleet_with("ci", "labels = [\"docker\", \"LINUX\"]", "");
        let labels: Vec<String> = labels(&fleet).iter().map(ToString::to_string).collect();
        assert_eq!(labels, ["self-hosted", "Linux", "X64", "docker"]);
    }
}
