//! What every command's help has to have. New commands are checked without further work.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};

use super::Azlin;
use crate::help_text;

/// Every command with all words that lead to it, as `azlin github-runner run`; each before those
/// below it.
pub fn every_command() -> Vec<(String, Command)> {
    fn add(path: &str, command: &Command, found: &mut Vec<(String, Command)>) {
        found.push((path.to_owned(), command.clone()));
        for below in command.get_subcommands().filter(|below| below.get_name() != "help") {
            add(&format!("{path} {}", below.get_name()), below, found);
        }
    }
    // Values from the environment of this test are no part of the help.
    fn without_values(command: Command) -> Command {
        let command = command.mut_args(|argument| argument.hide_env_values(true));
        command.mut_subcommands(without_values)
    }
    let mut azlin = without_values(Azlin::command()).term_width(100);
    azlin.build();
    let mut found = Vec::new();
    add("azlin", &azlin, &mut found);
    found
}

/// A file or directory of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn help_is_as_it_was_looked_at() {
    for (path, mut command) in every_command() {
        insta::assert_snapshot!(path.replace(' ', "_"), command.render_long_help().to_string());
    }
}

#[test]
fn every_command_teaches_at_length_and_is_short_with_h() {
    for (path, mut command) in every_command() {
        let titles: Vec<String> =
            help_text::sections(&command).into_iter().map(|section| section.title).collect();
        assert!(titles.iter().any(|title| title == "Examples"), "{path} has no examples: {titles:?}");
        assert_eq!(titles.last().map(String::as_str), Some("Exit codes"), "{path}");
        let (short, long) = (command.render_help().to_string(), command.render_long_help().to_string());
        assert!(
            !short.contains("Examples:") && short.lines().count() < long.lines().count(),
            "{path}\n{short}"
        );
        let most = command.get_arguments().count() * 3 + 20;
        assert!(short.lines().count() < most, "{path}\n{short}");
    }
}

#[test]
fn every_argument_says_what_it_is_for() {
    for (path, command) in every_command() {
        assert!(command.get_about().is_some(), "{path}");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path}: {}", argument.get_id());
        }
    }
}

#[test]
fn what_help_and_documentation_show_can_be_typed() {
    let mut checked = 0;
    for (path, command) in every_command() {
        let sections = help_text::sections(&command);
        let examples = sections.iter().find(|section| section.title == "Examples");
        checked += check(&path, &examples.map(|section| section.text.clone()).unwrap_or_default());
    }
    let mut pages = vec![repository("README.md")];
    markdown(&repository("docs"), &mut pages);
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("documentation is text");
        checked += check(&page.display().to_string(), &code_blocks(&text));
    }
    assert!(checked > 15, "only {checked} command lines were found");
}

fn markdown(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory of the repository can be read") {
        let path = entry.expect("its entries too").path();
        if path.is_dir() {
            markdown(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
}

/// The lines of all ``` blocks.
fn code_blocks(text: &str) -> String {
    let mut is_code = false;
    let mut lines = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if is_code {
            lines += &format!("{}\n", line.trim_start());
        }
    }
    lines
}

/// Parses each command line of `azlin` in a text; how many there are.
fn check(place: &str, text: &str) -> usize {
    let mut checked = 0;
    for line in text.replace("\\\n", " ").lines() {
        let line = line.trim_start_matches("$ ").trim_start_matches("sudo ");
        let (line, _) = line.split_once(" | ").unwrap_or((line, ""));
        let end = [" > ", " 2> ", "  #"].iter().filter_map(|mark| line.find(mark)).min();
        let line = &line[..end.unwrap_or(line.len())];
        let words: Vec<&str> =
            line.split_whitespace().skip_while(|word| word.contains('=') && !word.starts_with('-')).collect();
        // A usage is a pattern, and help is printed by way of an error.
        if words.first() != Some(&"azlin") || words.contains(&"[OPTIONS]") || words.contains(&"--help") {
            continue;
        }
        checked += 1;
        if let Err(error) = Azlin::command().try_get_matches_from(&words) {
            panic!("{place}: {line}\n{error}");
        }
    }
    checked
}

#[test]
fn every_variable_of_an_option_is_in_the_table_of_variables() {
    let page = std::fs::read_to_string(repository("docs/reference/output.md")).expect("the page is there");
    let (_, table) = page.split_once("## Environment").expect("it has the table");
    let (table, _) = table.split_once("\n## ").unwrap_or((table, ""));
    for (path, command) in every_command() {
        for variable in command.get_arguments().filter_map(|argument| argument.get_env()) {
            let variable = variable.to_string_lossy();
            assert!(table.contains(&format!("| `{variable}` |")), "{path}: {variable} is not in {table}");
        }
    }
}
