//! The steps of a long command, and how long each took.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::background::{Background, Finished};

/// The steps so far.
pub struct StepTimes {
    began: Instant,
    rows: Vec<TimedStep>,
}

struct TimedStep {
    name: String,
    start: Duration,
    took: Duration,
    note: &'static str,
}

impl StepTimes {
    /// No steps yet. The total time starts here.
    pub fn new() -> Self {
        StepTimes { began: Instant::now(), rows: Vec::new() }
    }

    /// Runs a step.
    pub fn step<T>(&mut self, name: &str, act: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        self.step_since(name, Instant::now(), act)
    }

    /// Runs a step that began earlier.
    pub fn step_since<T>(
        &mut self,
        name: &str,
        began: Instant,
        act: impl FnOnce() -> Result<T, String>,
    ) -> Result<T, String> {
        let result = act();
        let note = if result.is_ok() { "" } else { "failed" };
        self.add(name, began, began.elapsed(), note);
        result.map_err(|why| format!("{name}: {why}"))
    }

    /// Waits for the background commands, and adds them as a step.
    pub fn end(&mut self, background: Background) -> Result<(), String> {
        let began = Instant::now();
        let all = background.end();
        self.add("wait for the background", began, began.elapsed(), "");
        all?.into_iter().try_for_each(|ended| self.add_ended(ended))
    }

    fn add_ended(&mut self, ended: Finished) -> Result<(), String> {
        let (name, began, took) = (ended.name, ended.began, ended.took);
        let result = ended.result();
        let note = if result.is_ok() { "in the background" } else { "in the background, failed" };
        self.add(name, began, took, note);
        result
    }

    fn add(&mut self, name: &str, began: Instant, took: Duration, note: &'static str) {
        self.rows.push(TimedStep { name: name.to_owned(), start: began - self.began, took, note });
    }

    /// All steps, in the order in which they began.
    pub fn table(&self) -> String {
        let mut rows: Vec<&TimedStep> = self.rows.iter().collect();
        rows.sort_by_key(|row| row.start);
        let mut text = String::from("\n  start    took  step\n");
        for row in rows {
            let note = if row.note.is_empty() { String::new() } else { format!(" ({})", row.note) };
            let _ = writeln!(text, "{:>7} {:>7}  {}{note}", clock(row.start), clock(row.took), row.name);
        }
        let _ = writeln!(text, "{:>15}  in all", clock(self.began.elapsed()));
        text
    }
}

/// Minutes and seconds.
fn clock(time: Duration) -> String {
    let seconds = (time.as_millis() + 500) / 1000;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_begins_and_names_what_failed() {
        let mut steps = StepTimes::new();
        let began = steps.began;
        let second = Duration::from_secs(1);
        assert_eq!(steps.step("format", || Ok(1)), Ok(1));
        let failed = steps.step("lints", || Err::<(), _>("two warnings".to_owned()));
        assert_eq!(failed, Err("lints: two warnings".to_owned()));
        steps.rows[1].start = 150 * second;
        steps.add("package", began + 90 * second, 61 * second, "in the background");
        let table = steps.table();
        let (rows, _) = table.rsplit_once("\n  ").unwrap_or_default();
        assert_eq!(
            rows,
            "\n  start    took  step\n   0:00    0:00  format\n   1:30    1:01  package (in the background)\n   \
             2:30    0:00  lints (failed)"
        );
    }
}
