//! Something that goes on beside what follows, at the lowest priority: what only computes delays nothing that
//! waits for time to pass.

use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use crate::say;

/// What goes on, and the thread that takes in what it prints.
pub struct Beside {
    command: String,
    child: JoinHandle<std::io::Result<std::process::Output>>,
}

impl Beside {
    /// Begins with it.
    pub fn begin(command: &Command) -> Result<Self, String> {
        let mut nice = Command::new("nice");
        nice.args(["-n", "19"]).arg(command.get_program()).args(command.get_args());
        nice.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = command.get_current_dir() {
            nice.current_dir(directory);
        }
        say(&format!("--- beside what follows: {command:?}\n"));
        let child: Child = nice.spawn().map_err(|error| format!("nice: {error}"))?;
        let child = std::thread::spawn(move || child.wait_with_output());
        Ok(Beside { command: format!("{command:?}"), child })
    }

    /// Waits for its end, and says what it printed.
    pub fn end(self) -> Result<(), String> {
        say(&format!("--- what went on beside: {}\n", self.command));
        let output = self.child.join().map_err(|_| "a thread panicked".to_owned())?;
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
