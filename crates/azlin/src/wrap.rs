//! Breaks lines to the width of the terminal, with a hanging indent.

use crate::terminal::{Terminal, visible};

/// The fewest columns that a text gets, however narrow the terminal and deep the indent.
const LEAST: usize = 24;

/// The text after `head`; further lines begin below its first word.
pub fn wrapped(head: &str, text: &str, terminal: Terminal) -> String {
    hanging(terminal, head, visible(head), text)
}

/// The text after `head`, which is `indent` columns wide and may be painted; further lines begin at that
/// column. Not broken if the output is not a terminal.
pub fn hanging(terminal: Terminal, head: &str, indent: usize, text: &str) -> String {
    let room = terminal.width.map_or(usize::MAX, |width| width.saturating_sub(indent).max(LEAST));
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if visible(line) + 1 + visible(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let gap = format!("\n{}", " ".repeat(indent));
    format!("{head}{}\n", lines.join(&gap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::Tone;

    fn wide(width: Option<usize>) -> Terminal {
        Terminal { width, colour: false }
    }

    #[test]
    fn lines_are_broken_between_words_and_hang() {
        let text = "a line that is broken where a word would not fit any more";
        assert_eq!(
            hanging(wide(Some(36)), "  + head: ", 10, text),
            "  + head: a line that is broken\n          where a word would not fit\n          any more\n"
        );
        assert_eq!(hanging(wide(None), "x ", 2, text), format!("x {text}\n"));
    }

    #[test]
    fn colours_take_no_columns() {
        let painted = Terminal { width: Some(30), colour: true };
        let text = painted.paint(Tone::Bad, "one two three four five six seven");
        let plain = wrapped("  head  ", "one two three four five six seven", wide(Some(32)));
        assert_eq!(plain, "  head  one two three four five\n        six seven\n");
        let shown = wrapped("  head  ", &text, wide(Some(32)));
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), plain);
    }

    #[test]
    fn a_word_is_never_broken_and_a_narrow_terminal_still_gets_some() {
        let long = "w".repeat(80);
        assert_eq!(hanging(wide(Some(10)), "", 4, &format!("a {long} b")), format!("a\n    {long}\n    b\n"));
        assert_eq!(hanging(wide(Some(1)), "- ", 2, "two words"), "- two words\n");
    }
}
