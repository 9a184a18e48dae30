//! What commands say: results on standard output, errors and notes on standard error.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use azlin_daemon::config_dir::{FileProblem, FileProblemCause};

use crate::terminal::{Terminal, harmless};
use crate::{caret, logging};

/// Whether only errors are printed.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Leaves notes out from now on.
pub fn be_quiet(is_quiet: bool) {
    IS_QUIET.store(is_quiet, Ordering::Relaxed);
}

/// Prints what a command found to standard output. If its reader has gone, as `head` does, the error is the bare
/// [`std::io::Error`], which `main` recognises.
pub fn print(text: &str) -> io::Result<()> {
    print_as_is(&harmless(text, Terminal::stdout().colour))
}

/// The same for text that azlin itself made for a program, such as a completion script.
pub fn print_as_is(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Prints a remark for the person who typed the command.
pub fn say_note(message: &str) {
    if !IS_QUIET.load(Ordering::Relaxed) {
        let _ = writeln!(io::stderr(), "{}", harmless(message, false));
    }
}

/// Prints an error for the person who typed the command. If standard error has no reader, it is lost.
pub fn say_error(message: &str) {
    if !logging::is_for_people() {
        return tracing::error!("{message}");
    }
    let _ = writeln!(io::stderr(), "error: {}", harmless(message, false));
}

/// Prints what is wrong with a file, with its lines where a person reads it.
pub fn say_problem(problem: &FileProblem) {
    match &problem.cause {
        _ if !logging::is_for_people() => say_error(&problem.to_string()),
        FileProblemCause::File(message) | FileProblemCause::Stray(message) => say_error(message),
        FileProblemCause::Text(faulty) => {
            let terminal = Terminal::stderr();
            let _ = write!(io::stderr(), "{}", harmless(&caret::drawn(faulty, terminal), terminal.colour));
        }
    }
}
