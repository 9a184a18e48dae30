//! The licences of everything that is linked into the program: most of them want their text beside it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{file_error, root};

/// How the files of a package begin that hold its licence.
const NAMES: [&str; 5] = ["license", "licence", "copying", "notice", "copyright"];

/// A package that is linked into the program.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LinkedPackage {
    name: String,
    version: String,
    licence: String,
}

/// One text: each package with its licence, then each licence text once, with the packages that have it.
pub(super) fn notices(platform: &str) -> Result<String, String> {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--package", "azlin", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--target", platform, "--format", "{p}|{l}"]).current_dir(root());
    let output = tree.stderr(Stdio::inherit()).output().map_err(|error| format!("cargo tree: {error}"))?;
    let packages = packages(&String::from_utf8_lossy(&output.stdout));
    if !output.status.success() || packages.is_empty() {
        return Err("cargo tree does not tell what is linked".to_owned());
    }
    let sources = sources()?;
    let mut texts = BTreeMap::<String, Vec<String>>::new();
    for package in &packages {
        let folder = format!("{}-{}", package.name, package.version);
        let found = sources.iter().map(|source| source.join(&folder)).find(|folder| folder.is_dir());
        let Some(found) = found else { return Err(format!("the source of {folder} is not on this machine")) };
        for text in texts_in(&found)? {
            texts.entry(text).or_default().push(folder.clone());
        }
    }
    Ok(written(&packages, &texts))
}

/// The packages of others in the output of `cargo tree`: those of this workspace have a path behind their version.
fn packages(tree: &str) -> Vec<LinkedPackage> {
    let package = |line: &str| {
        let (package, licence) = line.split_once('|')?;
        let mut words = package.split(' ');
        let (name, version, rest) = (words.next()?, words.next()?.strip_prefix('v')?, words.next());
        let is_own = rest.is_some_and(|rest| rest.starts_with("(/"));
        let licence = licence.trim_end_matches(" (*)").to_owned();
        (!is_own).then(|| LinkedPackage { name: name.to_owned(), version: version.to_owned(), licence })
    };
    let mut packages: Vec<LinkedPackage> = tree.lines().filter_map(package).collect();
    packages.sort();
    packages.dedup();
    packages
}

/// Where cargo keeps the sources of registries.
fn sources() -> Result<Vec<PathBuf>, String> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let folder = home.unwrap_or_default().join("registry/src");
    let entries = std::fs::read_dir(&folder).map_err(file_error(&folder))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// The licence texts of a package.
fn texts_in(folder: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder).map_err(file_error(folder))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let is_licence = |file: &&PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        file.is_file() && NAMES.iter().any(|start| name.starts_with(start))
    };
    let read = |file: &PathBuf| std::fs::read(file).map_err(file_error(file));
    let texts: Result<Vec<Vec<u8>>, String> = files.iter().filter(is_licence).map(read).collect();
    Ok(texts?.iter().map(|bytes| plain(&String::from_utf8_lossy(bytes))).collect())
}

/// A text without the spaces at the ends of its lines, which differ between copies of one licence.
fn plain(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

fn written(packages: &[LinkedPackage], texts: &BTreeMap<String, Vec<String>>) -> String {
    let mut all = "azlin is linked with these packages, under these licences:\n\n".to_owned();
    for LinkedPackage { name, version, licence } in packages {
        let _ = writeln!(all, "{name} {version}: {licence}");
    }
    for (text, of) in texts {
        let _ = write!(all, "\n{}\n{}\n\n{text}\n", "-".repeat(80), of.join(", "));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_others_are_told_once() {
        let tree = "azlin v0.1.0 (/src/crates/azlin)|MIT\nring v0.17.14|Apache-2.0 AND ISC\n\
                    azlin-fleet v0.1.0 (/src/crates/fleet)|MIT\nserde v1.0.1|MIT OR Apache-2.0\n\
                    ring v0.17.14|Apache-2.0 AND ISC (*)\nserde_derive v1.0.1 (proc-macro)|MIT\n";
        let of = |name: &str, version: &str, licence: &str| LinkedPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: licence.to_owned(),
        };
        assert_eq!(
            packages(tree),
            [
                of("ring", "0.17.14", "Apache-2.0 AND ISC"),
                of("serde", "1.0.1", "MIT OR Apache-2.0"),
                of("serde_derive", "1.0.1", "MIT"),
            ]
        );
    }

    #[test]
    fn a_text_stands_once_with_all_that_have_it() {
        let folder =
            |name: &str| std::env::temp_dir().join(format!("azlin-notices-{}-{name}", std::process::id()));
        let mut texts = BTreeMap::<String, Vec<String>>::new();
        for (name, text) in [("a", "Be good.  \n\n"), ("b", "Be good.\n")] {
            let folder = folder(name);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("LICENSE-MIT"), text).unwrap();
            std::fs::write(folder.join("lib.rs"), "not a licence").unwrap();
            for text in texts_in(&folder).unwrap() {
                texts.entry(text).or_default().push(name.to_owned());
            }
            std::fs::remove_dir_all(&folder).unwrap();
        }
        assert_eq!(
            texts.into_iter().collect::<Vec<_>>(),
            [("Be good.".to_owned(), vec!["a".to_owned(), "b".to_owned()])]
        );
    }
}
