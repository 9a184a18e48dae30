//! Chores, each one a command: `cargo xtask help` lists them.

mod apt;
mod bench;
mod beside;
mod book;
mod dist;
mod e2e;
mod fuzz;
mod monitoring;
mod mutants;
mod test;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask <chore>

  test     everything that CI runs: format, lints, tests, simulation, documentation, the demo, real machines
  simulate seeds of simulated days, with every promise looked after: --help tells more
  fuzz     what reads bytes from outside, for ten minutes each; `fuzz 60 config` for 60 seconds, config alone
  mutants  changes the code of the fleet or of the loop in one place after another, and looks whether a test
           notices: `mutants fleet`, `mutants loop`; hours
  e2e      tests with real parts: OpenSSH, systemd, cloud-init; as root, installs what it needs
  rules    alert rules, tried by promtool, which it unpacks from Debian's package
  bench    measures, and prints the tables of docs/performance.md; as root, real machines too
  deb      makes the Debian package alone
  dist     makes the Debian package, the tarball, the SBOM and their checksums in target/dist; builds
           cargo-deb and cargo-cyclonedx if they are missing
  book     makes the documentation a book in target/book; builds mdbook if it is missing
  help     this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => test::test(),
        ["e2e"] => e2e::e2e(),
        ["simulate", options @ ..] => run(&mut test::simulate(options)),
        ["rules"] => monitoring::rules(),
        ["bench"] => bench::bench(),
        ["fuzz"] => fuzz::fuzz(600, &[]),
        ["fuzz", seconds, targets @ ..] => match seconds.parse() {
            Ok(seconds) => fuzz::fuzz(seconds, targets),
            Err(_) => Err(format!("\"{seconds}\" is no number of seconds")),
        },
        ["mutants", of] => mutants::mutants(of),
        ["deb"] => dist::deb().map(drop),
        ["dist"] => dist::dist(),
        ["book"] => book::book(),
        ["help" | "--help" | "-h"] => {
            say(HELP);
            Ok(())
        }
        _ => Err(format!("there is no such chore\n\n{HELP}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            say(&format!("xtask: {why}\n"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a chore says on the terminal what it does")]
fn say(text: &str) {
    eprint!("{text}");
}

/// Runs a command from the workspace's root and waits for it.
fn run(command: &mut Command) -> Result<(), String> {
    say(&format!("--- {command:?}\n"));
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

/// An error of a file, in words.
fn told(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    let shown = path.display().to_string();
    move |error| format!("{shown}: {error}")
}

/// The repository's root.
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("xtask is a directory of the repository").to_owned()
}

/// `cargo`, with these arguments.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}
