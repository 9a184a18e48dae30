//! The release files: a Debian package and a tarball with the program and what belongs to it, an SBOM, and
//! checksums. The same sources and the same toolchain make the same bytes, in any directory and at any time.

mod archive;
mod notices;
mod signature;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::tools::tool;
use crate::{cargo, file_error, root, run, say};

/// The program's version, which is that of the whole workspace.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folder of all release files.
fn folder() -> PathBuf {
    root().join("target/dist")
}

/// Rebuilds everything.
pub fn dist() -> Result<(), String> {
    let folder = folder();
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(file_error(&folder))?;
    }
    let deb = deb()?;
    let sbom = sbom()?;
    let tarball =
        archive::tarball(&staging(), &folder, &format!("azlin-{VERSION}-{}", platform()), epoch()?)?;
    let sums = archive::checksums(&folder, &[deb, sbom, tarball])?;
    signature::sign(&sums)?;
    say(&std::fs::read_to_string(&sums).map_err(file_error(&sums))?);
    say(&format!("in {}\n", folder.display()));
    Ok(())
}

/// The Debian package.
pub fn deb() -> Result<PathBuf, String> {
    let changelog = root().join("packaging/debian/changelog");
    let text = std::fs::read_to_string(&changelog).map_err(file_error(&changelog))?;
    if !text.starts_with(&format!("azlin ({VERSION})")) {
        return Err(format!("{} has no entry for {VERSION}", changelog.display()));
    }
    let program = program()?;
    prepare(&program)?;
    let package = package();
    let mut make = Command::new(tool("cargo-deb", "3.8.0", &["--no-default-features"])?);
    make.args([
        "--package",
        "azlin",
        "--no-build",
        "--no-strip",
        "--quiet",
        "--deb-revision",
        "",
        "--output",
    ]);
    run(reproducible(make.arg(&package).current_dir(root()))?)?;
    Ok(package)
}

/// Where the Debian package is once it is made.
pub fn package() -> PathBuf {
    folder().join(format!("azlin_{VERSION}_{}.deb", debian_architecture()))
}

/// The program of a release: it holds no path of this machine.
pub fn program() -> Result<PathBuf, String> {
    run(reproducible(&mut cargo(&["build", "--release", "--locked", "--package", "azlin"]))?)?;
    Ok(root().join("target/release/azlin"))
}

/// The folder that collects the files beside the program.
fn staging() -> PathBuf {
    folder().join("stage")
}

/// Lays out the tarball's content. The Debian package takes manual pages and completions from it.
fn prepare(program: &Path) -> Result<(), String> {
    let staging = staging();
    if staging.exists() {
        std::fs::remove_dir_all(&staging).map_err(file_error(&staging))?;
    }
    let completions = staging.join("completions");
    std::fs::create_dir_all(&completions).map_err(file_error(&completions))?;
    run(Command::new(program).args(["man", "--dir"]).arg(staging.join("man")))?;
    for (shell, file) in [("bash", "azlin.bash"), ("zsh", "_azlin"), ("fish", "azlin.fish")] {
        let script =
            Command::new(program).args(["completions", shell]).output().map_err(file_error(program))?;
        let file = completions.join(file);
        std::fs::write(&file, script.stdout).map_err(file_error(&file))?;
    }
    archive::copy(program, &staging.join("bin/azlin"))?;
    let files = [
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "config/azlin.toml",
        "config/fleets/ci-workers.toml",
    ];
    let units = [
        "systemd/azlin-github-runner.service",
        "systemd/azlin-github-runner.socket",
        "systemd/override.conf.example",
    ];
    let network = ["config/network/runners.bicep", "config/network/runners.tf"];
    for file in files.iter().chain(&units).chain(&network) {
        archive::copy(&root().join(file), &staging.join(file))?;
    }
    let file = staging.join("THIRD-PARTY-NOTICES.txt");
    std::fs::write(&file, notices::notices(platform())?).map_err(file_error(&file))?;
    archive::copy(&root().join("docs/how-to/install.md"), &staging.join("INSTALL.md"))
}

/// The SBOM in the format of CycloneDX: the crates that are linked into the program on this platform.
fn sbom() -> Result<PathBuf, String> {
    let mut describe = Command::new(tool("cargo-cyclonedx", "0.5.9", &[])?);
    describe
        .args(["cyclonedx", "--manifest-path", "crates/azlin/Cargo.toml", "--describe", "binaries"])
        .args(["--format", "json", "--spec-version", "1.5", "--no-build-deps", "--quiet"])
        .args(["--target", platform()]);
    run(reproducible(describe.current_dir(root()))?)?;
    // cargo-cyclonedx writes a file beside each program of the workspace.
    let mut made = None;
    for file in ["crates/azlin/azlin", "crates/simcloud/azlin-simcloud", "xtask/xtask"] {
        let file = root().join(format!("{file}_bin.cdx.json"));
        let text = std::fs::read_to_string(&file).map_err(file_error(&file))?;
        std::fs::remove_file(&file).map_err(file_error(&file))?;
        made = made.or(Some(text));
    }
    let file = folder().join(format!("azlin-{VERSION}-{}.cdx.json", platform()));
    let text = made.unwrap_or_default().replace(&format!("file://{}", root().display()), "file://");
    std::fs::write(&file, text).map_err(file_error(&file))?;
    archive::copy(&file, &staging().join("sbom.cdx.json"))?;
    Ok(file)
}

/// Makes the output of a command independent of the time and of the path of the sources.
fn reproducible(command: &mut Command) -> Result<&mut Command, String> {
    let cargo_home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = || std::env::home_dir().map(|home| home.join(".cargo"));
    let mut flags = OsString::from("--remap-path-prefix=");
    flags.push(root());
    flags.push("=azlin");
    if let Some(cargo_home) = cargo_home.or_else(home) {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(cargo_home);
        flags.push("=cargo");
    }
    Ok(command.env("CARGO_ENCODED_RUSTFLAGS", flags).env("SOURCE_DATE_EPOCH", epoch()?.to_string()))
}

/// The time of the last commit, which all files get.
fn epoch() -> Result<u64, String> {
    if let Ok(given) = std::env::var("SOURCE_DATE_EPOCH") {
        return given.parse().map_err(|_| format!("SOURCE_DATE_EPOCH is not a number: {given:?}"));
    }
    let git = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()).output();
    let output = git.map_err(|error| format!("git: {error}"))?;
    let time = String::from_utf8_lossy(&output.stdout).trim().parse();
    time.map_err(|_| "git does not say the time of the last commit: set SOURCE_DATE_EPOCH".to_owned())
}

/// Rust's name of the platform.
fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "aarch64-unknown-linux-gnu",
        _ => "x86_64-unknown-linux-gnu",
    }
}

fn debian_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}
