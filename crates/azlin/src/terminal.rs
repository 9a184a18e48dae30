//! The terminal: its width, and whether it takes colours.

mod keys;
mod redrawn;

use std::borrow::Cow;
use std::fmt::Display;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};
use azlin_fleet::model::foreign::printable_lines;

pub use keys::{Key, Keyboard};
pub use redrawn::Redrawn;

/// What output is printed on.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Columns; `None` for a pipe or a file, which gets whole lines.
    pub width: Option<usize>,
    /// Whether colours are wanted.
    pub colour: bool,
}

/// What a colour says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// All is well, or something is added.
    Good,
    /// Worth a look, or something is changed.
    Warning,
    /// Wrong, or something is removed.
    Bad,
    /// A name or a heading.
    Strong,
    /// Of less weight.
    Faint,
}

impl Terminal {
    /// Standard output.
    pub fn stdout() -> Self {
        Terminal::of(std::io::stdout().is_terminal())
    }

    /// Standard error.
    pub fn stderr() -> Self {
        Terminal::of(std::io::stderr().is_terminal())
    }

    /// `COLUMNS` overrides the terminal's own width.
    fn of(is_terminal: bool) -> Self {
        let columns = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).filter(|n| *n > 0);
        let measured = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Terminal {
            width: columns.or_else(|| if is_terminal { measured() } else { None }),
            colour: is_terminal && !no_colour,
        }
    }

    /// The text in a tone, where colours are wanted.
    pub fn paint(self, tone: Tone, text: impl Display) -> String {
        if !self.colour {
            return text.to_string();
        }
        let style = match tone {
            Tone::Good => AnsiColor::Green.on_default(),
            Tone::Warning => AnsiColor::Yellow.on_default(),
            Tone::Bad => AnsiColor::Red.on_default(),
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
        };
        format!("{style}{text}{style:#}")
    }
}

/// How many columns a text takes: escape sequences take none.
pub fn visible(text: &str) -> usize {
    let mut count = 0;
    let mut escaped = false;
    for char in text.chars() {
        match char {
            '\x1b' => escaped = true,
            'm' if escaped => escaped = false,
            _ if escaped => {}
            _ => count += 1,
        }
    }
    count
}

/// A text that a terminal shows and does not act on: of all control and format characters it keeps line feeds and, where
/// it may have colours, colours. What comes from outside is fit to be shown before; this is the last line of defence.
pub fn harmless(text: &str, colour: bool) -> Cow<'_, str> {
    if text.contains('\t') {
        return Cow::Owned(harmless(&text.replace('\t', "    "), colour).into_owned());
    }
    if !colour || !text.contains('\x1b') {
        return printable_lines(text);
    }
    let (mut safe, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('\x1b') {
        safe.push_str(&printable_lines(&rest[..at]));
        let end = at + colour_at(&rest[at..]).unwrap_or(1);
        safe.push_str(if end > at + 1 { &rest[at..end] } else { "\u{fffd}" });
        rest = &rest[end..];
    }
    safe.push_str(&printable_lines(rest));
    Cow::Owned(safe)
}

/// The length of the sequence at the beginning of a text, where it sets a colour or a weight and does nothing else.
fn colour_at(text: &str) -> Option<usize> {
    let numbers = text.strip_prefix("\x1b[")?;
    let length = numbers.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    (length <= 16 && numbers[length..].starts_with('m')).then_some(2 + length + 1)
}

/// The text in at most so many columns. Escape sequences take none, and none is cut off.
pub fn cut(text: &str, width: usize) -> String {
    if visible(text) <= width {
        return text.to_owned();
    }
    let (mut kept, mut count, mut escaped) = (String::new(), 0, false);
    for char in text.chars() {
        match char {
            '\x1b' => escaped = true,
            'm' if escaped => escaped = false,
            _ if escaped => {}
            _ => {
                count += 1;
                if count == width {
                    kept.push('…');
                }
                if count >= width {
                    continue;
                }
            }
        }
        kept.push(char);
    }
    kept
}

#[cfg(test)]
mod tests {
    use azlin_fleet::model::foreign::has_odd;

    use super::*;

    const NARROW: Terminal = Terminal { width: Some(30), colour: false };

    #[test]
    fn of_what_a_terminal_acts_on_only_our_colours_are_left() {
        let painted = Terminal { colour: true, ..NARROW }.paint(Tone::Bad, "x\x1b]0;t\x07\x1b[2J\u{9b}2J");
        assert_eq!(harmless(&painted, true), "\x1b[31mx\u{fffd}]0;t\u{fffd}\u{fffd}[2J\u{fffd}2J\x1b[0m");
        assert_eq!(harmless(&painted, false).matches('\x1b').count(), 0);
        assert_eq!(harmless("a\r\n\tb\u{202e}", false), "a\u{fffd}\n    b\u{fffd}");
        for plain in ["", "a\nb\n", "é 🦀"] {
            assert!(matches!(harmless(plain, true), Cow::Borrowed(_)), "{plain}");
        }
    }

    /// Every character of the planes that have control and format characters, alone and in a painted text.
    #[test]
    fn no_character_is_left_that_a_terminal_acts_on() {
        let all = (0..0x3000).chain(0xfe00..0x1_0000).chain(0x1_1000..0x1_1100).chain(0xe_0000..0xe_0200);
        for c in all.filter_map(char::from_u32) {
            let painted = Terminal { colour: true, ..NARROW }.paint(Tone::Bad, c);
            for (text, colour) in [(c.to_string(), false), (c.to_string(), true), (painted, true)] {
                let shown = harmless(&text, colour).replace("\x1b[31m", "").replace("\x1b[0m", "");
                assert!(shown.split('\n').all(|line| !has_odd(line)), "{c:?}");
            }
        }
    }

    #[test]
    fn what_is_cut_keeps_its_colours() {
        let painted = Terminal { colour: true, ..NARROW }.paint(Tone::Bad, "abcdef");
        assert_eq!(visible(&cut(&painted, 4)), 4);
        assert!(cut(&painted, 4).ends_with("\x1b[0m"));
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abcd", 4), "abcd");
    }
}
