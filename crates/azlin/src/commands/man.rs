//! `man`: manual pages, from what `--help` says.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::args::{Azlin, ManArgs};
use crate::exit_status::ExitStatus;
use crate::help_text::{self, HelpSection};
use crate::output::print_as_is;

pub fn run(args: &ManArgs) -> Result<ExitStatus> {
    let pages = pages()?;
    match &args.dir {
        Some(directory) => write(&pages, directory)?,
        None => print_as_is(&pages[0].1)?,
    }
    Ok(ExitStatus::Done)
}

fn write(pages: &[(String, String)], directory: &Path) -> Result<()> {
    let shown = directory.display();
    std::fs::create_dir_all(directory).with_context(|| format!("{shown} cannot be made"))?;
    for (name, text) in pages {
        let file = directory.join(name);
        std::fs::write(&file, text).with_context(|| format!("{} cannot be written", file.display()))?;
    }
    Ok(())
}

/// Every page as (file name, text); that of `azlin` itself is the first.
fn pages() -> io::Result<Vec<(String, String)>> {
    let mut azlin = Azlin::command().disable_help_subcommand(true);
    azlin.build();
    let mut pages = Vec::new();
    add(&azlin, &[], &mut pages)?;
    Ok(pages)
}

fn add(command: &Command, above: &[&str], pages: &mut Vec<(String, String)>) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    pages.push((format!("{name}.1"), page(command, above)?));
    let above = [above, &[name]].concat();
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        add(below, &above, pages)?;
    }
    Ok(())
}

fn page(command: &Command, above: &[&str]) -> io::Result<String> {
    let version = command.get_version().unwrap_or_default();
    let man = Man::new(command.clone()).source(format!("azlin {version}")).manual("azlin");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::default();
    for HelpSection { title, text, is_literal } in help_text::sections(command) {
        rest.control("SH", [title.to_uppercase().as_str()]);
        if is_literal {
            rest.control("nf", []);
        }
        for line in text.lines() {
            rest.text([roman(line)]);
        }
        if is_literal {
            rest.control("fi", []);
        }
    }
    if !above.is_empty() {
        rest.control("SH", ["SEE ALSO"]);
        rest.text([roman(above.iter().map(|name| format!("{name}(1)")).collect::<Vec<_>>().join(", "))]);
    }
    rest.to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::args::tests::every_command;

    #[test]
    fn every_command_has_a_page_with_all_that_its_help_has() {
        let pages = pages().expect("pages are made in memory");
        let commands = every_command();
        assert_eq!(pages.len(), commands.len());
        for ((file, page), (path, command)) in pages.iter().zip(&commands) {
            assert_eq!(*file, format!("{}.1", path.replace(' ', "-")));
            for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "EXAMPLES", "EXIT CODES"] {
                assert!(
                    page.contains(&format!(".SH {section}\n"))
                        || page.contains(&format!(".SH \"{section}\"\n")),
                    "{path}: {section}\n{page}"
                );
            }
            for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
                assert!(page.contains(&option.replace('-', "\\-")), "{path}: --{option}");
            }
        }
    }

    #[test]
    fn groff_renders_every_page_without_a_warning() {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        write(&pages().expect("pages are made in memory"), directory.path()).expect("they can be written");
        for (path, _) in every_command() {
            let file = directory.path().join(format!("{}.1", path.replace(' ', "-")));
            let output = Command::new("groff").args(["-man", "-Tutf8", "-Kutf8", "-ww"]).arg(file).output();
            // Not every machine has groff.
            let Ok(output) = output else { return };
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{path}: {said}");
            assert!(output.stdout.len() > 500, "{path}");
        }
    }
}
