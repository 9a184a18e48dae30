//! Development commands: `cargo xtask help` lists them.

mod alone;
mod apt;
mod azure_sdk;
mod background;
mod bench;
mod book;
mod deny;
mod dist;
mod e2e;
mod fuzz;
mod monitoring;
mod mutants;
mod steps;
mod test;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask <chore>

  test     runs everything that CI runs: format, lints, tests, simulation, documentation, the demo, real
           machines; at its end a table says how long each step took
  alone    checks that each crate builds alone, with the features that it asks for itself
  deny     checks licences, sources, duplicate versions and advisories of dependencies; builds cargo-deny if
           it is missing
  simulate runs simulated days from seeds and checks every promise: --help says more
  fuzz     fuzzes what reads bytes from outside, ten minutes each; `fuzz 60 config`: 60 seconds, config only
  mutants  changes the code of the fleet or of the loop in one place after another, and checks that a test
           fails: `mutants fleet`, `mutants loop`; takes hours
  e2e      runs the tests with real parts: OpenSSH, systemd, cloud-init; as root, installs what it needs
  rules    tests the alert rules with promtool, which it unpacks from Debian's package
  bench    measures, and prints the tables of docs/performance.md; as root, real machines too
  deb      makes the Debian package only
  dist     makes the Debian package, the tarball, the SBOM and their checksums in target/dist; builds
           cargo-deb and cargo-cyclonedx if they are missing
  book     makes the documentation a book in target/book; builds mdbook if it is missing
  help     prints this text
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["test"] => test::test(),
        ["alone"] => alone::alone(),
        ["deny"] => deny::deny(),
        ["e2e"] => e2e::e2e(),
        ["simulate", options @ ..] => run(&mut test::simulate(options)),
        ["rules"] => monitoring::rules(),
        ["bench"] => bench::bench(),
        ["fuzz"] => fuzz::fuzz(600, &[]),
        ["fuzz", seconds, targets @ ..] => match seconds.parse() {
            Ok(seconds) => fuzz::fuzz(seconds, targets),
            Err(_) => Err(format!("\"{seconds}\" is not a number of seconds")),
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

#[expect(clippy::print_stderr, reason = "a chore prints on the terminal what it does")]
fn say(text: &str) {
    eprint!("{text}");
}

/// Runs a command from the workspace's root and waits for it.
fn run(command: &mut Command) -> Result<(), String> {
    say(&format!("--- {command:?}\n"));
    let status = command.status().map_err(|error| format!("{command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}")) }
}

/// An error of a file, with its path.
fn file_error(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    let shown = path.display().to_string();
    move |error| format!("{shown}: {error}")
}

/// The repository's root.
#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("xtask is a directory of the repository").to_owned()
}

/// `cargo` with these arguments.
fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}
