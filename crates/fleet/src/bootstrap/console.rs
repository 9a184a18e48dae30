//! The lines of a VM's serial console that show why it did not become a runner.

use crate::model::ForeignText;
use crate::model::foreign::without_format;

/// The marker of lines that our own unit on the VM prints.
pub(super) const IDENTIFIER: &str = "azlin-runner";
/// The most lines that an excerpt holds.
const LINES: usize = 10;
/// The most lines, and the most characters, that are kept of an excerpt.
const SHOWN_LINES: usize = 3;
const SHOWN: usize = 300;
/// The length in bytes at which each line of an excerpt is cut.
const LINE: usize = 300;

/// An excerpt of the console in one line: the last lines of our own unit, or else the last lines before the
/// machine stops. It is sanitised, so that no text in it can pass for another line of a log.
pub fn telling(console: &str) -> Option<String> {
    let lines: Vec<String> = console.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let marked = format!("{IDENTIFIER}[");
    let ours: Vec<&String> = lines.iter().filter(|line| line.contains(&marked)).collect();
    let told = if ours.is_empty() { lines.iter().filter(|line| !is_farewell(line)).collect() } else { ours };
    let last: Vec<&str> = told[told.len().saturating_sub(LINES)..].iter().map(|line| line.as_str()).collect();
    (!last.is_empty()).then(|| last.join(" | "))
}

/// The last lines of that excerpt, short enough to be kept and shown with other text. The end says most, so the beginning
/// is what is left out.
pub fn last_lines(console: &str) -> Option<ForeignText> {
    let told = telling(console)?;
    let lines: Vec<&str> = told.split(" | ").collect();
    let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join(" | ");
    let length = last.chars().count();
    let end: String = last.chars().skip(length.saturating_sub(SHOWN - 1)).collect();
    Some(if length >= SHOWN { format!("…{end}") } else { last }.into())
}

/// Whether systemd prints this line while it stops a machine.
fn is_farewell(line: &str) -> bool {
    ["Stopped ", "Stopping ", "Unmounted ", "Unmounting ", "Deactivated ", "Closed ", "Removed slice "]
        .iter()
        .any(|word| line.contains(word))
        || line.contains(".target")
}

/// A line without escape sequences, control and format characters, cut to a maximum length.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1b}' {
            // "[" and everything up to the next letter.
            let _ = rest.by_ref().find(char::is_ascii_alphabetic);
        } else {
            text.push(c);
        }
        if text.len() >= LINE {
            break;
        }
    }
    let is_shown = |c: &char| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}');
    let text: String = text.chars().filter(is_shown).collect();
    without_format(&text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_lines_come_before_those_of_a_machine_that_stops() {
        let console = "[    1.0] Linux version 6\n[   15.9] azlin-runner[230]: wrong checksum: it is a, not b\n\
                       [\u{1b}[0;32m  OK  \u{1b}[0m] Stopped target \u{1b}[0;1;39mpoweroff.target\u{1b}[0m.\r\n";
        assert_eq!(
            telling(console).as_deref(),
            Some("[   15.9] azlin-runner[230]: wrong checksum: it is a, not b")
        );
    }

    #[test]
    fn where_our_unit_never_ran_the_last_lines_are_told() {
        let console = "Linux version 6\nKernel panic - not syncing\r\n\n[\u{1b}[0;32m  OK  \u{1b}[0m] Stopped x.service\n";
        assert_eq!(telling(console).as_deref(), Some("Linux version 6 | Kernel panic - not syncing"));
        assert_eq!(telling("\n\n"), None);
    }

    #[test]
    fn the_last_lines_are_kept_and_of_those_the_end() {
        let five = "a\nb\nc\nd\ne\n";
        assert_eq!(last_lines(five).as_deref(), Some("c | d | e"));
        let long = format!("{}\n{}end", "x".repeat(200), "y".repeat(200));
        let kept = last_lines(&long).expect("something");
        assert!(kept.starts_with('…') && kept.ends_with("yend") && kept.chars().count() == 300, "{kept}");
        assert_eq!(
            last_lines("token ghp_0123456789abcdefABCDEF0123456789abcd").as_deref(),
            Some("token [redacted]")
        );
        assert_eq!(last_lines("\n"), None);
    }

    #[test]
    fn nothing_in_it_passes_for_another_line() {
        let told = telling("a\u{7}\u{1b}]0;title\u{7}b\rc\u{2028}\u{85}\u{202e}d").expect("something");
        assert!(!crate::model::foreign::has_odd(&told), "{told:?}");
        let long = "x".repeat(10_000);
        assert!(telling(&long).expect("something").len() <= LINE);
    }
}
