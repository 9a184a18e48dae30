//! Where output goes: how wide that is, and whether it takes colours.

use std::fmt::Display;
use std::io::IsTerminal;

use anstyle::{AnsiColor, Style};

/// What is printed on.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Columns; `None` where nobody looks: a pipe or a file gets whole lines.
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

    /// `COLUMNS` stands over what the terminal says.
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
