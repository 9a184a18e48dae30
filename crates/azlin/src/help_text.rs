//! The sections under a command's `--help`, which manual pages and the reference set in their own way.
//!
//! Parts are separated by an empty line. One has its title on a line of its own, `Examples:`, with
//! text below it whose lines stay as they are, or in front of its text, as in `Exit codes: 0 done`.

use clap::Command;

/// A part of the text.
#[derive(Debug, PartialEq, Eq)]
pub struct HelpSection {
    /// What it is about.
    pub title: String,
    /// Without the indentation that all its lines have.
    pub text: String,
    /// Whether its lines stay as they are.
    pub is_literal: bool,
}

/// The parts of what stands under a command's `--help`.
pub fn sections(command: &Command) -> Vec<HelpSection> {
    let text = command.get_after_long_help().or_else(|| command.get_after_help());
    text.map(|text| of(&text.to_string())).unwrap_or_default()
}

fn of(text: &str) -> Vec<HelpSection> {
    let part = |part: &str| {
        let (title, rest) = part.split_once(':').unwrap_or(("Notes", part));
        let is_literal = rest.starts_with('\n');
        let text = if is_literal { dedented(rest.trim_matches('\n')) } else { rest.trim().to_owned() };
        HelpSection { title: title.to_owned(), text, is_literal }
    };
    text.split("\n\n").filter(|text| !text.trim().is_empty()).map(part).collect()
}

fn dedented(text: &str) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let least = text.lines().map(indent).min().unwrap_or_default();
    text.lines().map(|line| &line[least..]).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_a_title_and_lose_their_indentation() {
        let text = "Examples:\n  azlin a \\\n      --b\n  azlin c\n\nExit codes: 0 done, 1 failed";
        let section = |title: &str, text: &str, is_literal| HelpSection {
            title: title.to_owned(),
            text: text.to_owned(),
            is_literal,
        };
        let expected = [
            section("Examples", "azlin a \\\n    --b\nazlin c", true),
            section("Exit codes", "0 done, 1 failed", false),
        ];
        assert_eq!(of(text), expected);
        assert_eq!(of(""), []);
    }
}
