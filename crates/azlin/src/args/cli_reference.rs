//! docs/reference/cli.md, from the same source as `--help`. A test checks the page, and writes it on request.

use clap::{Arg, ArgAction, Command};

use super::tests::{every_command, repository};
use crate::help_text;

const PAGE: &str = "docs/reference/cli.md";
const BEGIN: &str =
    "<!-- generated: AZLIN_BLESS=1 cargo test -p azlin cli_reference writes what is between the marks -->\n";
const END: &str = "<!-- generated: end -->\n";

#[test]
fn the_page_has_what_help_says() {
    let path = repository(PAGE);
    let page = std::fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = page.split_once(BEGIN).expect("the page has the first mark");
    let (_, after) = rest.split_once(END).expect("the page has the last mark");
    let expected = format!("{before}{BEGIN}{}{END}{after}", reference());
    if std::env::var_os("AZLIN_BLESS").is_some() {
        std::fs::write(&path, expected).expect("the page can be written");
    } else {
        assert!(
            page == expected,
            "{PAGE} is not what --help says: AZLIN_BLESS=1 cargo test -p azlin cli_reference writes it"
        );
    }
}

fn reference() -> String {
    let commands = every_command();
    let mut text = String::from("\n");
    for (path, command) in &commands {
        if let Some(about) = command.get_about() {
            text +=
                &format!("- [`{path}`](#{}): {}\n", path.replace(' ', "-"), prose(&line(&about.to_string())));
        }
    }
    text += "\n## Options of every command\n\n";
    let everywhere: Vec<&Arg> =
        commands[0].1.get_arguments().filter(|argument| is_everywhere(argument)).collect();
    text += &table(&everywhere);
    for (path, command) in &commands {
        text += &entry(path, command);
    }
    text
}

fn entry(path: &str, command: &Command) -> String {
    let about = command.get_long_about().or_else(|| command.get_about());
    let about = about.map(ToString::to_string).unwrap_or_default();
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").lines().map(str::trim).collect::<Vec<_>>().join("\n");
    let mut text = format!("\n## {path}\n\n{}\n\n```text\n{usage}\n```\n", prose(about.trim()));
    let mut headings: Vec<Option<&str>> = vec![None];
    let own: Vec<&Arg> = command.get_arguments().filter(|argument| !is_everywhere(argument)).collect();
    for heading in own.iter().map(|argument| argument.get_help_heading()) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    for heading in headings {
        let under: Vec<&Arg> =
            own.iter().filter(|argument| argument.get_help_heading() == heading).copied().collect();
        if !under.is_empty() {
            let heading = heading.map(|heading| format!("{heading}:\n\n")).unwrap_or_default();
            text += &format!("\n{heading}{}", table(&under));
        }
    }
    for help_text::HelpSection { title, text: section, is_literal } in help_text::sections(command) {
        text += &match is_literal {
            true => format!("\n{title}:\n\n```text\n{section}\n```\n"),
            false => format!("\n{title}: {}.\n", prose(&section)),
        };
    }
    text
}

/// Whether every command has it: those that are global, and clap's own.
fn is_everywhere(argument: &Arg) -> bool {
    let clap = matches!(
        argument.get_action(),
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
    );
    argument.is_global_set() || clap
}

fn table(arguments: &[&Arg]) -> String {
    let mut text = String::from("| option | default | environment | meaning |\n|---|---|---|---|\n");
    for argument in arguments {
        let code = |text: String| if text.is_empty() { text } else { format!("`{}`", cell(&text)) };
        let (help, told) = meaning(argument);
        let set: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = match told {
            Some(default) => code(default),
            None if argument.get_action().takes_values() => code(set.join(",")),
            None => String::new(),
        };
        let variable = argument.get_env().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        text += &format!(
            "| {} | {default} | {} | {} |\n",
            code(names(argument)),
            code(variable),
            prose(&cell(&help))
        );
    }
    text.replace("|  |", "| |").replace("|  |", "| |")
}

fn names(argument: &Arg) -> String {
    let value_names = argument.get_value_names().unwrap_or_default();
    let value: Vec<String> = value_names.iter().map(|name| format!("<{name}>")).collect();
    let value = if argument.get_action().takes_values() { value.join(" ") } else { String::new() };
    if argument.is_positional() {
        return value;
    }
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let is_optional = argument.get_num_args().is_some_and(|range| range.min_values() == 0);
    let value = match (value.is_empty(), is_optional, argument.is_require_equals_set()) {
        (true, _, _) => String::new(),
        (false, true, true) => format!("[={value}]"),
        (false, true, false) => format!(" [{value}]"),
        (false, false, true) => format!("={value}"),
        (false, false, false) => format!(" {value}"),
    };
    short.into_iter().chain(long).collect::<Vec<_>>().join(", ") + &value
}

/// What an argument is for, and the default that its help tells where the command line has none, as of
/// keys that a file keeps.
fn meaning(argument: &Arg) -> (String, Option<String>) {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut text = line(&help.map(ToString::to_string).unwrap_or_default());
    let told = text.split_once(" [default: ").map(|(before, told)| (before.to_owned(), told.to_owned()));
    let default = told.map(|(before, told)| {
        text = before;
        told.trim_end_matches(']').to_owned()
    });
    if argument.is_required_set() {
        text += " (required)";
    }
    let values = argument.get_possible_values();
    let is_plain =
        !argument.get_action().takes_values() || values.iter().any(|value| value.get_name() == "true");
    let values: Vec<String> = values
        .iter()
        .filter(|value| !is_plain && !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => {
                let help = line(&help.to_string());
                format!("`{}` ({})", value.get_name(), help.trim_end_matches('.').to_lowercase())
            }
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    if !values.is_empty() {
        text += &format!("; one of {}", values.join(", "));
    }
    (text, default)
}

/// Text on one line.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Outside of code what looks like a tag would vanish.
fn prose(text: &str) -> String {
    let parts = text.split('`').enumerate();
    let escaped = parts.map(|(n, part)| if n % 2 == 0 { part.replace('<', "&lt;") } else { part.to_owned() });
    escaped.collect::<Vec<_>>().join("`")
}
