//! The documentation as a book: mdbook builds it from docs/.
//!
//! Pages link to files of the repository that are not pages, as readers of the sources need. In the book
//! those links lead to the repository's address, so the book is built from a copy.

use std::path::{Component, Path, PathBuf};
use std::process::Command;

use crate::tools::{is_there, tool};
use crate::{file_error, root, run, say};

/// The address of the repository on the web.
const REPOSITORY: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/");
/// The version to install where mdbook is missing.
const MDBOOK: &str = "0.5";

/// Builds the book in target/book, and checks its links.
pub fn book() -> Result<(), String> {
    let (source, book) = (root().join("target/book-source"), root().join("target/book"));
    for old in [&source, &book] {
        if old.exists() {
            std::fs::remove_dir_all(old).map_err(file_error(old))?;
        }
    }
    copy(&root().join("docs"), Path::new("docs"), &source)?;
    run(Command::new(mdbook()?).arg("build").arg(&source).arg("--dest-dir").arg(&book))?;
    let broken = broken_links(&book)?;
    if broken.is_empty() {
        say(&format!("the book is in {}\n", book.join("index.html").display()));
        Ok(())
    } else {
        Err(format!("links of the book lead nowhere:\n{}", broken.join("\n")))
    }
}

/// The program: the installed one, or one in target/tools.
fn mdbook() -> Result<PathBuf, String> {
    let usual = PathBuf::from("mdbook");
    if is_there(&usual) { Ok(usual) } else { tool("mdbook", MDBOOK, &["--no-default-features"]) }
}

/// Copies a directory of pages; `place` is its path in the repository.
fn copy(from: &Path, place: &Path, to: &Path) -> Result<(), String> {
    std::fs::create_dir_all(to).map_err(file_error(to))?;
    for entry in std::fs::read_dir(from).map_err(file_error(from))? {
        let path = entry.map_err(file_error(from))?.path();
        let name = path.file_name().unwrap_or_default().to_owned();
        let (inside, target) = (place.join(&name), to.join(&name));
        if path.is_dir() {
            copy(&path, &inside, &target)?;
        } else if path.extension().is_some_and(|extension| extension == "md") {
            let text = std::fs::read_to_string(&path).map_err(file_error(&path))?;
            std::fs::write(&target, with_addresses(&text, place)).map_err(file_error(&target))?;
        } else {
            std::fs::copy(&path, &target).map_err(file_error(&path))?;
        }
    }
    Ok(())
}

/// A page whose links out of docs/ lead to the repository's address.
fn with_addresses(text: &str, place: &Path) -> String {
    let mut parts = text.split("](");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (target, rest) = part.split_once(')').unwrap_or((part, ""));
        page += "](";
        match outside(target, place) {
            Some(path) => page += &format!("{REPOSITORY}{path}"),
            None => page += target,
        }
        if part.contains(')') {
            page += &format!("){rest}");
        }
    }
    page
}

/// The path in the repository that a link leads to, where that is not in docs/.
fn outside(target: &str, place: &Path) -> Option<String> {
    if target.contains("://") || target.starts_with('#') || target.contains(char::is_whitespace) {
        return None;
    }
    let mut path: Vec<&str> = Vec::new();
    for part in place.components().chain(Path::new(target).components()) {
        match part {
            Component::Normal(name) => path.push(name.to_str()?),
            Component::ParentDir => {
                path.pop()?;
            }
            _ => {}
        }
    }
    (path.first() != Some(&"docs")).then(|| path.join("/"))
}

/// Links of the book's pages to missing files of the book.
fn broken_links(book: &Path) -> Result<Vec<String>, String> {
    let (mut pages, mut broken) = (Vec::new(), Vec::new());
    html(book, &mut pages)?;
    for page in pages {
        let text = std::fs::read_to_string(&page).map_err(file_error(&page))?;
        for link in text.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let file = link.split(['#', '?']).next().unwrap_or_default();
            let is_elsewhere = link.contains("://") || file.is_empty() || file.starts_with('/');
            if !is_elsewhere && !page.with_file_name(file).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    Ok(broken)
}

fn html(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    for entry in std::fs::read_dir(directory).map_err(file_error(directory))? {
        let path = entry.map_err(file_error(directory))?.path();
        if path.is_dir() {
            html(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            found.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_out_of_the_book_lead_to_the_repository() {
        for (link, expected) in [
            ("../tutorial.md", None),
            ("../../README.md", Some("README.md")),
            ("../../config/azlin.toml#L3", Some("config/azlin.toml#L3")),
            ("https://example.com/../x", None),
            ("#here", None),
        ] {
            assert_eq!(outside(link, Path::new("docs/reference")).as_deref(), expected, "{link}");
        }
        let page = with_addresses("a [b](../README.md) c (d) [e](f.md)", Path::new("docs"));
        assert_eq!(page, format!("a [b]({REPOSITORY}README.md) c (d) [e](f.md)"));
    }
}
