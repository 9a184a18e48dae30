//! Something that goes on beside what follows, at the lowest priority: what only computes delays nothing that
//! waits for time to pass.

use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use crate::say;

/// The kernel shares time out among sessions first, where it groups them, and within one by priority.
const LOWEST: &str = r#"{ echo 19 > /proc/self/autogroup; } 2>/dev/null; exec nice -n 19 "$@""#;

/// What goes on, and the thread that takes in what it prints. Dropped before its end it is ended.
pub struct Beside {
    command: String,
    session: u32,
    child: Option<JoinHandle<std::io::Result<Output>>>,
}

impl Beside {
    /// Begins with it.
    pub fn begin(command: &Command) -> Result<Self, String> {
        let mut lowest = Command::new("setsid");
        lowest.args(["sh", "-c", LOWEST, "sh"]).arg(command.get_program()).args(command.get_args());
        lowest.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = command.get_current_dir() {
            lowest.current_dir(directory);
        }
        say(&format!("--- beside what follows: {command:?}\n"));
        let child: Child = lowest.spawn().map_err(|error| format!("setsid: {error}"))?;
        let session = child.id();
        let child = Some(std::thread::spawn(move || child.wait_with_output()));
        Ok(Beside { command: format!("{command:?}"), session, child })
    }

    /// Waits for its end, and says what it printed.
    pub fn end(mut self) -> Result<(), String> {
        say(&format!("--- what went on beside: {}\n", self.command));
        let Some(child) = self.child.take() else { return Ok(()) };
        let output = child.join().map_err(|_| "a thread panicked".to_owned())?;
        let output = output.map_err(|error| error.to_string())?;
        say(&String::from_utf8_lossy(&output.stdout));
        say(&String::from_utf8_lossy(&output.stderr));
        if output.status.success() {
            Ok(())
        } else {
            Err(format!("{} ended with {}", self.command, output.status))
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if self.child.take().is_some_and(|child| !child.is_finished()) {
            let _ = Command::new("kill").args(["-TERM", "--", &format!("-{}", self.session)]).status();
        }
    }
}
