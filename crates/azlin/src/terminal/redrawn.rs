//! A text that is drawn over itself, and scrolls where it is taller than the terminal.

use std::io::Write;

use super::{Key, cut, harmless};

/// A text that is drawn over itself.
#[derive(Debug, Default)]
pub struct Redrawn {
    lines: usize,
    /// The first line that is shown.
    top: usize,
    /// Whether keys scroll it, so that the last line names them.
    scrolls: bool,
}

impl Redrawn {
    /// A text that keys scroll, or not.
    pub fn scrolled(scrolls: bool) -> Self {
        Redrawn { scrolls, ..Redrawn::default() }
    }

    /// Draws the text over the last one, as large as the terminal is.
    pub fn draw(&mut self, out: &mut impl Write, text: &str) -> std::io::Result<()> {
        let size = terminal_size::terminal_size();
        let (width, height) =
            size.map_or((80, 24), |(width, height)| (usize::from(width.0), usize::from(height.0)));
        let shown = self.frame(text, width, height);
        // Up over the last frame, and each line clears what it does not cover.
        let up = if self.lines == 0 { String::new() } else { format!("\x1b[{}A", self.lines) };
        let text: String = shown.iter().map(|line| format!("{line}\x1b[K\n")).collect();
        self.lines = shown.len();
        write!(out, "{up}{text}\x1b[J")?;
        out.flush()
    }

    /// Moves what is shown. The next frame takes it back into the text.
    pub fn scroll(&mut self, key: Key) {
        let page = self.lines.saturating_sub(2).max(1);
        self.top = match key {
            Key::Up => self.top.saturating_sub(1),
            Key::Down => self.top + 1,
            Key::PageUp => self.top.saturating_sub(page),
            Key::PageDown => self.top + page,
            Key::Home => 0,
            Key::End => usize::MAX / 2,
            Key::Quit => self.top,
        };
    }

    /// The lines of a frame. What is wider than the terminal is cut, since a line that wraps would spoil the count of
    /// lines.
    fn frame(&mut self, text: &str, width: usize, height: usize) -> Vec<String> {
        let text = harmless(text, true);
        let room = height.saturating_sub(2).max(1);
        let all = text.lines().count();
        self.top = self.top.min(all.saturating_sub(room));
        let lines = text.lines().skip(self.top).take(room);
        let mut shown: Vec<String> = lines.map(|line| cut(line, width.saturating_sub(1))).collect();
        if all > room {
            let told = if self.scrolls {
                let last = self.top + shown.len();
                format!("lines {} to {last} of {all}; arrows, PgUp and PgDn scroll, q ends", self.top + 1)
            } else {
                format!("… {} more lines", all - room)
            };
            shown.push(cut(&told, width.saturating_sub(1)));
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(redrawn: &mut Redrawn, lines: usize) -> Vec<String> {
        let text: String = (1..=lines).map(|line| format!("line {line}\n")).collect();
        let frame = redrawn.frame(&text, 80, 12);
        redrawn.lines = frame.len();
        frame
    }

    #[test]
    fn keys_move_what_is_shown_and_never_out_of_the_text() {
        let mut redrawn = Redrawn { scrolls: true, ..Redrawn::default() };
        let shown = |redrawn: &mut Redrawn| {
            let frame = frame(redrawn, 30);
            assert_eq!(frame.len(), 11, "{frame:?}");
            (frame[0].clone(), frame[10].split(';').next().unwrap_or_default().to_owned())
        };
        assert_eq!(shown(&mut redrawn), ("line 1".to_owned(), "lines 1 to 10 of 30".to_owned()));
        for (key, first, told) in [
            (Key::Up, "line 1", "lines 1 to 10 of 30"),
            (Key::Down, "line 2", "lines 2 to 11 of 30"),
            (Key::PageDown, "line 11", "lines 11 to 20 of 30"),
            (Key::PageUp, "line 2", "lines 2 to 11 of 30"),
            (Key::End, "line 21", "lines 21 to 30 of 30"),
            (Key::Down, "line 21", "lines 21 to 30 of 30"),
            (Key::Home, "line 1", "lines 1 to 10 of 30"),
        ] {
            redrawn.scroll(key);
            assert_eq!(shown(&mut redrawn), (first.to_owned(), told.to_owned()), "{key:?}");
        }
        redrawn.scroll(Key::End);
        assert_eq!(frame(&mut redrawn, 3), ["line 1", "line 2", "line 3"], "a text that has become short");
    }

    #[test]
    fn without_keys_the_number_of_the_other_lines_is_told() {
        assert_eq!(frame(&mut Redrawn::default(), 30)[10], "… 20 more lines");
    }
}
