//! Lines broken to the width of the terminal, with what follows indented.

use crate::terminal::{Terminal, visible};

/// Columns that text gets at the least, however narrow the terminal and however deep it stands.
const LEAST: usize = 24;

/// The text after `head`; where it is broken, what follows stands under its beginning.
pub fn wrapped(head: &str, text: &str, terminal: Terminal) -> String {
    hanging(terminal, head, visible(head), text)
}

/// The text after `head`, which is `indent` columns wide and may be painted; where it is broken, what
/// follows begins at that column. Whole where nobody looks.
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
