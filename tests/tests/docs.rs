//! Documentation links: every link to a file of this repository leads to an existing file.

use std::path::{Path, PathBuf};

use azlin_tests::sources::sources;

fn markdown(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory of the repository can be read") {
        let path = entry.expect("its entries too").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            markdown(&path, found);
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// The targets of `[text](target)`.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

#[test]
fn every_link_to_a_file_leads_to_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository");
    let (mut files, mut checked, mut broken) = (Vec::new(), 0, Vec::new());
    markdown(root, &mut files);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("documentation is text");
        for link in links(&text).filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let target = file.with_file_name(link.split('#').next().unwrap_or_default());
            checked += 1;
            if !target.exists() {
                broken.push(format!("{}: {link}", file.display()));
            }
        }
    }
    assert!(checked > 10, "only {checked} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The chapters of the book are exactly the pages, each once. `cargo xtask book` builds the book.
#[test]
fn the_book_has_every_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository");
    let (docs, mut pages) = (root.join("docs"), Vec::new());
    markdown(&docs, &mut pages);
    let summary = std::fs::read_to_string(docs.join("SUMMARY.md")).expect("documentation is text");
    let mut chapters: Vec<PathBuf> = links(&summary).map(|link| docs.join(link)).collect();
    pages.retain(|page| !page.ends_with("SUMMARY.md"));
    pages.sort();
    chapters.sort();
    assert_eq!(chapters, pages, "what is in docs/SUMMARY.md, and what is in docs/");
}

/// The code spans of a page.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// A page may name a source by its whole path, or by the end of it.
#[test]
fn every_source_that_the_maps_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the repository");
    let sources: Vec<String> = sources().into_iter().map(|source| format!("/{}", source.path)).collect();
    let (mut checked, mut broken) = (0, Vec::new());
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md", "docs/glossary.md"] {
        let text = std::fs::read_to_string(root.join(page)).expect("documentation is text");
        let is_source = |span: &&str| span.ends_with(".rs") && !span.contains([' ', '*', '{', '<']);
        for span in code_spans(&text).filter(is_source).filter(|span| !["x.rs", "foo.rs"].contains(span)) {
            checked += 1;
            if !span.starts_with("x/") && !sources.iter().any(|path| path.ends_with(&format!("/{span}"))) {
                broken.push(format!("{page}: {span}"));
            }
        }
    }
    assert!(checked > 50, "only {checked} sources were found");
    assert!(broken.is_empty(), "{broken:#?}");
}

/// The rules of a security group in a file, as name, priority, direction and access, in any order.
fn rules(text: &str) -> Vec<[String; 4]> {
    let value = |line: &str, key: &str| {
        let (name, value) = line.split_once([':', '='])?;
        (name.trim() == key).then(|| value.trim().trim_matches(['\'', '"']).to_owned())
    };
    let lines: Vec<&str> = text.lines().collect();
    let after = |from: usize, key: &str| lines[from..].iter().find_map(|line| value(line, key));
    let priorities = (0..lines.len()).filter(|at| value(lines[*at], "priority").is_some());
    let mut rules: Vec<[String; 4]> = priorities
        .map(|at| {
            let name = lines[..at].iter().rev().find_map(|line| value(line, "name")).unwrap();
            [
                name,
                after(at, "priority").unwrap(),
                after(at, "direction").unwrap(),
                after(at, "access").unwrap(),
            ]
        })
        .collect();
    rules.sort();
    rules
}

#[test]
fn bicep_and_terraform_make_the_same_security_group() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/network");
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let bicep = rules(&read("runners.bicep"));
    assert_eq!(bicep, rules(&read("runners.tf")));
    let closes = bicep.iter().filter(|[_, priority, _, access]| priority == "4000" && access == "Deny");
    assert_eq!((bicep.len(), closes.count()), (4, 2), "{bicep:#?}");
}
