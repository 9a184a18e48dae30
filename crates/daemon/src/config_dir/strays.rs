//! Files that look like a fleet's and are not read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use azlin_fleet::config::{stray_beside, stray_in_fleets};

use super::{FileProblem, FileProblemCause};
use crate::bounded_file::read_text;

/// Files that look like a fleet's and are not read: in `fleets/`, or beside azlin.toml.
pub(super) fn strays(directory: &Path, fleets: &Path) -> Vec<FileProblem> {
    let names = |directory: &Path| -> BTreeSet<String> {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let files = entries.filter(|entry| !entry.path().is_dir());
        files.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    };
    let told = |path: PathBuf, why: &str| FileProblem {
        cause: FileProblemCause::Stray(format!("{}: {why}", path.display())),
        path,
    };
    let inside = names(fleets);
    let in_fleets =
        inside.iter().filter_map(|name| Some(told(fleets.join(name), &stray_in_fleets(name, &inside)?)));
    let beside = names(directory);
    // Only what may be a fleet's file is opened.
    let is_other =
        |name: &&String| name.ends_with(".toml") && *name != "azlin.toml" && !name.starts_with('.');
    let found: Vec<(&String, String)> = beside
        .iter()
        .filter(is_other)
        .filter_map(|name| Some((name, stray_beside(name, &read_text(&directory.join(name)).ok()?)?)))
        .collect();
    let is_one_above = directory.file_name().is_some_and(|name| name == "fleets") && !fleets.exists();
    match (is_one_above, directory.parent()) {
        (true, Some(above)) if !found.is_empty() => {
            let above = above.display();
            let why = format!("the configuration directory is the one above: give --config-dir {above}");
            vec![told(directory.to_owned(), &why)]
        }
        _ => in_fleets.chain(found.into_iter().map(|(name, why)| told(directory.join(name), &why))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLEET: &str = "repo = \"o/r\"\n[vm]\nlocation = \"westeurope\"\n";

    fn told(directory: &Path) -> Vec<String> {
        let all = strays(directory, &directory.join("fleets"));
        all.iter().map(|problem| problem.to_string().replace(&directory.display().to_string(), "")).collect()
    }

    #[test]
    fn each_file_is_named_once_with_its_cure() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir_all(at("fleets/old.toml.d")).unwrap();
        for (name, text) in [
            ("azlin.toml", ""),
            ("notes.toml", "[mine]\n"),
            ("environment", FLEET),
            ("web.toml", FLEET),
            ("fleets/ci.toml", FLEET),
            ("fleets/ci.toml~", FLEET),
            ("fleets/gpu.yaml", "repo: o/r"),
        ] {
            std::fs::write(at(name), text).unwrap();
        }
        assert_eq!(
            told(directory.path()),
            [
                "/fleets/gpu.yaml: this file is not read: only names that end in .toml are fleets; rename it to gpu.toml, \
                 or move it away",
                "/web.toml: this file is not read: a fleet's file belongs in fleets/; move it to fleets/web.toml",
            ]
        );
    }

    #[test]
    fn the_folder_of_fleets_is_not_the_configuration_directory() {
        let directory = tempfile::tempdir().unwrap();
        let fleets = directory.path().join("fleets");
        std::fs::create_dir(&fleets).unwrap();
        assert_eq!(told(&fleets), Vec::<String>::new());
        std::fs::write(fleets.join("ci.toml"), FLEET).unwrap();
        let above = directory.path().display();
        let expected = format!(": the configuration directory is the one above: give --config-dir {above}");
        assert_eq!(told(&fleets), [expected]);
    }
}
