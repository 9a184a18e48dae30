//! How a VM becomes a runner: by itself from its custom data, or step by step over SSH. Both do it
//! with the same program, [`RUNNER`].

pub mod cloud_init;
pub mod console;
pub mod steps;

use crate::config::Fleet;
use crate::names::Label;
use crate::ports::Download;

/// The program that does it on the machine, for a POSIX shell.
pub const RUNNER: &str = include_str!("bootstrap/runner.sh");

/// The download that fits the fleet's VMs.
pub fn download_for<'d>(fleet: &Fleet, downloads: &'d [Download]) -> Option<&'d Download> {
    let architecture = fleet.vm.architecture().label();
    let fits = |download: &&Download| {
        download.os == "linux" && download.architecture.eq_ignore_ascii_case(architecture)
    };
    downloads.iter().find(fits)
}

/// The fleet's labels and the implicit ones: a runner gets only what it is given.
pub fn labels(fleet: &Fleet) -> Vec<Label> {
    let implicit = fleet.implicit_labels().into_iter().filter_map(|label| label.parse::<Label>().ok());
    let own =
        fleet.labels.iter().filter(|label| !fleet.implicit_labels().iter().any(|known| label.matches(known)));
    implicit.chain(own.cloned()).collect()
}

/// A word for a POSIX shell, whatever it holds.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
