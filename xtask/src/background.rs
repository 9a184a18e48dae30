//! Commands in the background at the lowest priority, so that computation does not delay tests that wait.

use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::say;

/// The kernel first shares time out among sessions, where it groups them, and then within each by priority.
const LOWEST: &str = r#"{ echo 19 > /proc/self/autogroup; } 2>/dev/null; exec nice -n 19 "$@""#;

/// Commands that run one after the other, and the thread that collects their output. Dropping it stops them.
pub struct Background {
    now: Arc<Mutex<Activity>>,
    thread: Option<JoinHandle<Vec<Finished>>>,
}

/// The state of the background thread.
enum Activity {
    Between,
    /// The session of the running command.
    Running(u32),
    Stopped,
}

/// When a command ran in the background, and how it ended.
pub struct Finished {
    pub name: &'static str,
    pub began: Instant,
    pub took: Duration,
    pub result: Result<Output, String>,
}

impl Background {
    /// Starts the first command. Each of the others starts when the one before it has succeeded.
    pub fn start(commands: Vec<(&'static str, Command)>) -> Self {
        for (name, command) in &commands {
            say(&format!("--- {name}, in the background: {command:?}\n"));
        }
        let now = Arc::new(Mutex::new(Activity::Between));
        let shared = Arc::clone(&now);
        let run_all = move || {
            let mut all = Vec::new();
            for (name, command) in commands {
                let began = Instant::now();
                let Some(result) = run_one(&command, &shared) else { break };
                let has_succeeded = result.as_ref().is_ok_and(|output| output.status.success());
                all.push(Finished { name, began, took: began.elapsed(), result });
                if !has_succeeded {
                    break;
                }
            }
            all
        };
        Background { now, thread: Some(std::thread::spawn(run_all)) }
    }

    /// Waits for the end of all of them.
    pub fn end(mut self) -> Result<Vec<Finished>, String> {
        let Some(thread) = self.thread.take() else { return Ok(Vec::new()) };
        thread.join().map_err(|_| "the thread of the commands in the background panicked".to_owned())
    }
}

impl Finished {
    /// Prints a command's output. Returns whether it succeeded.
    pub fn result(self) -> Result<(), String> {
        let name = self.name;
        let output = self.result.map_err(|error| format!("{name}: {error}"))?;
        say(&format!("--- {name}, which ran in the background:\n"));
        say(&String::from_utf8_lossy(&output.stdout));
        say(&String::from_utf8_lossy(&output.stderr));
        if output.status.success() { Ok(()) } else { Err(format!("{name} ended with {}", output.status)) }
    }
}

/// Runs a command in its own session; `None` once all were stopped.
fn run_one(command: &Command, now: &Mutex<Activity>) -> Option<Result<Output, String>> {
    let mut lowest = Command::new("setsid");
    lowest.args(["sh", "-c", LOWEST, "sh"]).arg(command.get_program()).args(command.get_args());
    lowest.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(directory) = command.get_current_dir() {
        lowest.current_dir(directory);
    }
    let child = {
        let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*now, Activity::Stopped) {
            return None;
        }
        match lowest.spawn() {
            Ok(child) => {
                *now = Activity::Running(child.id());
                child
            }
            Err(error) => return Some(Err(format!("setsid: {error}"))),
        }
    };
    let output = child.wait_with_output().map_err(|error| error.to_string());
    let mut now = now.lock().unwrap_or_else(PoisonError::into_inner);
    if !matches!(*now, Activity::Stopped) {
        *now = Activity::Between;
    }
    Some(output)
}

/// How often a command is told to stop that has no session yet: it is between its start and `setsid`.
const STOPS: u32 = 500;

impl Drop for Background {
    fn drop(&mut self) {
        for _ in 0..STOPS {
            let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
            let has_stopped = match *now {
                Activity::Running(session) => stop(session),
                Activity::Between | Activity::Stopped => true,
            };
            if has_stopped {
                *now = Activity::Stopped;
                return;
            }
            drop(now);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Ends every process of a session; false when there is no such session.
fn stop(session: u32) -> bool {
    let mut kill = Command::new("kill");
    kill.args(["-TERM", "--", &format!("-{session}")]).stderr(Stdio::null());
    kill.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn commands_run_in_order_until_one_fails() {
        let commands = vec![("first", shell("true")), ("second", shell("exit 3")), ("third", shell("true"))];
        let all = Background::start(commands).end().expect("they have run");
        assert_eq!(all.iter().map(|ended| ended.name).collect::<Vec<_>>(), ["first", "second"]);
        assert!(all[0].began + all[0].took <= all[1].began);
        let results: Vec<_> = all.into_iter().map(Finished::result).collect();
        assert_eq!(results, [Ok(()), Err("second ended with exit status: 3".to_owned())]);
    }

    #[test]
    fn a_dropped_one_is_stopped_with_what_follows() {
        let mut background = Background::start(vec![("long", shell("sleep 600")), ("next", shell("true"))]);
        // It may not have a session yet: that is waited for.
        while !matches!(*background.now.lock().expect("nothing panicked"), Activity::Running(_)) {
            std::thread::yield_now();
        }
        let thread = background.thread.take().expect("it runs");
        drop(background);
        let all = thread.join().expect("it does not panic");
        assert_eq!(all.len(), 1);
        assert!(all[0].result.as_ref().is_ok_and(|output| !output.status.success()));
    }
}
