//! `completions`: what a shell needs to complete the command line.

use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::{Azlin, CompletionsArgs};
use crate::exit_status::ExitStatus;
use crate::output::print_as_is;

pub fn run(args: &CompletionsArgs) -> Result<ExitStatus> {
    print_as_is(&script(args.shell))?;
    Ok(ExitStatus::Done)
}

fn script(shell: Shell) -> String {
    // The generator panics where it cannot write; to memory it always can.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Azlin::command(), "azlin", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Fish { script + &deeper_for_fish() } else { script }
}

/// clap_complete's script for fish ends at the second command: the options of a third.
fn deeper_for_fish() -> String {
    let azlin = Azlin::command();
    let mut text = String::new();
    for first in azlin.get_subcommands() {
        for second in first.get_subcommands() {
            for third in second.get_subcommands() {
                let [first, second, third_name] = [first, second, third].map(clap::Command::get_name);
                let seen = format!(
                    "__fish_azlin_using_subcommand {first}; and __fish_seen_subcommand_from {second}; and \
                     __fish_seen_subcommand_from {third_name}"
                );
                for option in third.get_arguments() {
                    let Some(long) = option.get_long() else { continue };
                    let help = option.get_help().map(ToString::to_string).unwrap_or_default();
                    let help = help.replace('\\', "\\\\").replace('\'', "\\'");
                    let takes = if option.get_action().takes_values() { " -r" } else { "" };
                    text += &format!("complete -c azlin -n \"{seen}\" -l {long} -d '{help}'{takes}\n");
                }
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use clap::ValueEnum;

    use super::*;
    use crate::args::tests::every_command;

    #[test]
    fn every_command_and_option_is_completed_in_every_shell() {
        for shell in Shell::value_variants() {
            let script = script(*shell);
            for (path, command) in every_command() {
                assert!(script.contains(command.get_name()), "{shell}: {path}");
                for option in command.get_arguments().filter_map(|argument| argument.get_long()) {
                    assert!(script.contains(option), "{shell}: {path} --{option}");
                }
            }
        }
    }

    #[test]
    fn shells_that_are_there_take_their_script() {
        for shell in ["bash", "zsh", "fish"] {
            let child = Command::new(shell).arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
            // Not every machine has every shell.
            let Ok(mut child) = child else { continue };
            let script = script(shell.parse().expect("a shell"));
            let mut input = child.stdin.take().expect("it is a pipe");
            input.write_all(script.as_bytes()).expect("a shell reads its script");
            drop(input);
            let output = child.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{shell}: {said}");
        }
    }

    #[test]
    fn directories_are_completed_as_such() {
        for (path, command) in every_command() {
            for argument in command.get_arguments() {
                let names = argument.get_value_names().unwrap_or_default();
                if names.iter().any(|name| name == "DIR") {
                    let hint = argument.get_value_hint();
                    assert_eq!(hint, clap::ValueHint::DirPath, "{path}: {}", argument.get_id());
                }
            }
        }
    }
}
