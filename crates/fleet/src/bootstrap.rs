//! How a VM becomes a runner: by itself from its custom data, or step by step over SSH. Both do it
//! with the same program, [`RUNNER`].

pub mod cloud_init;
pub mod console;
pub mod drain;
mod jit_config;
pub mod retries;
pub mod steps;

use crate::config::Fleet;
use crate::model::{Download, Label};

/// The program that does it on the machine, for a POSIX shell.
pub const RUNNER: &str = include_str!("bootstrap/runner.sh");

/// The download that fits the fleet's VMs.
pub fn download_for<'d>(fleet: &Fleet, downloads: &'d [Download]) -> Option<&'d Download> {
    let (os, architecture) = (fleet.vm.os().download(), fleet.vm.architecture().label());
    let fits =
        |download: &&Download| download.os == os && download.architecture.eq_ignore_ascii_case(architecture);
    downloads.iter().find(fits)
}

/// The fleet's labels and the implicit ones: a runner gets only what it is given.
pub fn labels(fleet: &Fleet) -> Vec<Label> {
    let implicit = fleet.implicit_labels().into_iter().filter_map(|label| label.parse::<Label>().ok());
    let own =
        fleet.labels.iter().filter(|label| !fleet.implicit_labels().iter().any(|known| label.matches(known)));
    implicit.chain(own.cloned()).collect()
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
            url: String::new(),
            filename: format!("{os}-{architecture}"),
            sha256: None,
        };
        let offered = [offer("win", "x64"), offer("linux", "arm64"), offer("linux", "x64")];
        let mut fleet = fleet_with("ci", "", "");
        assert_eq!(download_for(&fleet, &offered), Some(&offered[2]));
        fleet.vm.sizes = vec!["Standard_D4ps_v5".to_owned()];
        assert_eq!(download_for(&fleet, &offered), Some(&offered[1]));
        assert_eq!(download_for(&fleet, &offered[..1]), None);
    }

    #[test]
    fn a_runner_has_the_implicit_labels_and_its_own_each_once() {
        let fleet = fleet_with("ci", "labels = [\"docker\", \"LINUX\"]", "");
        let labels: Vec<String> = labels(&fleet).iter().map(ToString::to_string).collect();
        assert_eq!(labels, ["self-hosted", "Linux", "X64", "docker"]);
    }
}
