//! The positions of a TOML text's tables, keys, and commented keys.

use core::ops::Range;

use toml_edit::{Document, Item, Table, Value};

use super::{TABLES, literal, spliced};

/// A parsed TOML text, and the positions of its parts.
pub(super) struct Layout<'t> {
    text: &'t str,
    document: Document<&'t str>,
    /// In the order of the text. The first is everything above the first header.
    sections: Vec<TableSection>,
    /// In the order of the text.
    entries: Vec<KeyEntry>,
}

/// A header and everything up to the next one.
#[derive(Debug, Default)]
pub(super) struct TableSection {
    pub(super) path: Vec<String>,
    is_array: bool,
    header: Range<usize>,
    end: usize,
}

/// A key and its value, at the start of a line.
#[derive(Debug)]
pub(super) struct KeyEntry {
    path: Vec<String>,
    key: usize,
    value: Range<usize>,
}

/// A commented line that would be a key with a value without its `#`. A default, `#key = …`, is meant to
/// become live. `# key = …` is a person's text. A line with a deeper indent, as in prose, is neither.
pub(super) struct Commented<'t> {
    /// The range of the line, without its line break.
    range: Range<usize>,
    indent: &'t str,
    rest: &'t str,
    is_default: bool,
    path: Vec<String>,
}

impl<'t> Layout<'t> {
    pub(super) fn of(text: &'t str) -> Option<Self> {
        let document = Document::parse(text).ok()?;
        let mut layout =
            Layout { text, document, sections: vec![TableSection::default()], entries: Vec::new() };
        let (mut sections, mut entries) = (Vec::new(), Vec::new());
        walk(layout.document.as_table(), &mut Vec::new(), &mut sections, &mut entries);
        layout.sections.append(&mut sections);
        layout.entries = entries;
        layout.sections.sort_by_key(|section| section.header.start);
        layout.entries.sort_by_key(|entry| entry.key);
        let mut end = text.len();
        for section in layout.sections.iter_mut().rev() {
            section.end = end;
            end = line_start(text, section.header.start);
        }
        Some(layout)
    }

    pub(super) fn root(&self) -> &Item {
        self.document.as_item()
    }

    fn value_at(&self, path: &[String]) -> Option<&Value> {
        let mut item = self.document.as_item();
        for key in path {
            item = item.as_table_like()?.get(key)?;
        }
        item.as_value()
    }

    pub(super) fn section(&self, path: &[&str]) -> Option<&TableSection> {
        self.sections.iter().find(|section| section.path == path && !section.is_array)
    }

    /// The section in which a table is written with dotted keys.
    pub(super) fn section_of_dotted(&self, path: &[&str]) -> Option<&TableSection> {
        let begins = |entry: &&KeyEntry| entry.path.len() > path.len() && entry.path[..path.len()] == *path;
        let entry = self.entries.iter().find(begins)?;
        self.sections.iter().rfind(|section| section.header.start <= entry.key)
    }

    pub(super) fn entry(&self, path: &[&str]) -> Option<&KeyEntry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    fn entries_in(&self, section: &TableSection) -> impl DoubleEndedIterator<Item = &KeyEntry> {
        self.entries.iter().filter(|entry| (section.header.end..section.end).contains(&entry.key))
    }

    /// The commented lines that have this key.
    pub(super) fn commented(&self, path: &[&str]) -> impl Iterator<Item = Commented<'t>> {
        let sections = self.sections.iter().filter(|section| !section.is_array);
        sections.flat_map(|section| self.commented_in(section)).filter(move |line| line.path == path)
    }

    fn commented_in(&self, section: &TableSection) -> Vec<Commented<'t>> {
        let mut lines = Vec::new();
        let mut start = line_start(self.text, section.header.start);
        while start < section.end {
            let next = self.text[start..].find('\n').map_or(self.text.len(), |newline| start + newline + 1);
            let is_inside = self.entries.iter().any(|entry| entry.value.contains(&start));
            if !is_inside && let Some(mut line) = commented(self.text, start..next) {
                line.path.splice(0..0, section.path.iter().cloned());
                lines.push(line);
            }
            start = next;
        }
        lines
    }

    /// The text with a commented line turned into a default.
    pub(super) fn as_default(&self, line: &Commented<'_>) -> String {
        spliced(self.text, line.range.clone(), &format!("{}#{}", line.indent, line.rest))
    }

    /// The text with a commented line's key live and with this value: in place of a default, or below a
    /// person's text.
    pub(super) fn revived(&self, line: &Commented<'_>, value: &Value) -> Option<String> {
        let layout = Layout::of(line.rest)?;
        let found = layout.value_at(&layout.entries.first()?.path)?;
        let span = found.span()?;
        if !line.is_default {
            let live = format!("{}{}{value}", line.indent, &line.rest[..span.start]);
            return Some(line_after(self.text, line.range.start, &live, self.newline()));
        }
        let rest = if literal::is_same(found, value) {
            line.rest.to_owned()
        } else {
            spliced(line.rest, span, &value.to_string())
        };
        Some(spliced(self.text, line.range.clone(), &format!("{}{rest}", line.indent)))
    }

    /// The text without a key whose line is directly below the same key in a comment. This restores the text
    /// from before the key became live.
    pub(super) fn revoked(&self, entry: &KeyEntry) -> Option<String> {
        let start = line_start(self.text, entry.key);
        let end =
            self.text[entry.value.end..].find('\n').map_or(self.text.len(), |at| entry.value.end + at + 1);
        let is_alone = self.text[entry.value.end..end].trim().is_empty();
        let path: Vec<&str> = entry.path.iter().map(String::as_str).collect();
        let is_above = |line: Commented<'_>| line_after_ends(self.text, line.range.end) == start;
        let is_revived = is_alone && self.commented(&path).any(is_above);
        is_revived.then(|| spliced(self.text, start..end, ""))
    }

    /// The text with one more line at the end of a section.
    pub(super) fn insert(&self, section: &TableSection, line: &str) -> String {
        let live = self.entries_in(section).next_back().map(|entry| (entry.key, entry.value.end));
        let commented = self.commented_in(section).pop().map(|line| (line.range.start, line.range.end));
        let is_root = section.path.is_empty();
        let after = live.max(commented).or((!is_root).then_some((section.header.start, section.header.end)));
        match after {
            Some((start, end)) => {
                let indent = indent_of(self.text, line_start(self.text, start));
                let indent = if start == section.header.start && !is_root { "" } else { indent };
                line_after(self.text, end, &format!("{indent}{line}"), self.newline())
            }
            None => {
                // Comments directly above a header belong to that table.
                let is_last = section.end == self.text.len();
                let end = if is_last { section.end } else { self.above(section.end) };
                let head = self.text[..end].trim_end();
                if head.trim_start_matches('\u{feff}').is_empty() {
                    // A byte order mark stays first.
                    let at = self.text.len() - self.text.trim_start_matches('\u{feff}').len();
                    spliced(self.text, at..at, &format!("{line}{}", self.newline()))
                } else {
                    line_after(self.text, head.len(), line, self.newline())
                }
            }
        }
    }

    /// The text with one more table, which holds this line.
    pub(super) fn insert_table(&self, path: &[&str], line: &str) -> String {
        let newline = self.newline();
        let rank = |key: Option<&str>| TABLES.iter().position(|table| Some(*table) == key);
        let own = rank(path.first().copied());
        let later = self.sections[1..].iter().find(|section| {
            let other = rank(section.path.first().map(String::as_str));
            own.zip(other).is_some_and(|(own, other)| own < other)
        });
        let table = format!("[{}]{newline}{line}{newline}", path.join("."));
        if let Some(section) = later {
            let at = self.above(line_start(self.text, section.header.start));
            return spliced(self.text, at..at, &format!("{table}{newline}"));
        }
        let gap = match self.text {
            "" => String::new(),
            text if text.ends_with('\n') => newline.to_owned(),
            _ => format!("{newline}{newline}"),
        };
        format!("{}{gap}{table}", self.text)
    }

    /// The text with the lines of a key turned into comments.
    pub(super) fn comment_out(&self, entry: &KeyEntry) -> String {
        let start = line_start(self.text, entry.key);
        let mut text = self.text[..start].to_owned();
        for line in self.text[start..entry.value.end].split_inclusive('\n') {
            let bare = line.trim_start_matches([' ', '\t']);
            text += &line[..line.len() - bare.len()];
            text += if bare.trim().is_empty() { "#" } else { "# " };
            text += bare;
        }
        text + &self.text[entry.value.end..]
    }

    /// The text with the lines of a key turned into comments, and the key with another value below them.
    pub(super) fn supersede(&self, entry: &KeyEntry, value: &Value) -> String {
        let start = line_start(self.text, entry.key);
        let live = format!("{}{value}", &self.text[start..entry.value.start]);
        let text = self.comment_out(entry);
        let end = text.len() - (self.text.len() - entry.value.end);
        line_after(&text, end, &live, self.newline())
    }

    /// The start of the comment lines directly above a line.
    fn above(&self, line: usize) -> usize {
        let mut at = line;
        while at > 0 {
            let above = &self.text[..at];
            let before = line_start(above, above.strip_suffix('\n').unwrap_or(above).len());
            if !self.text[before..at].trim_start_matches('\u{feff}').trim_start().starts_with('#') {
                break;
            }
            at = before;
        }
        at
    }

    /// The line break of the text.
    fn newline(&self) -> &'static str {
        let first = self.text.find('\n');
        if first.is_some_and(|at| self.text[..at].ends_with('\r')) { "\r\n" } else { "\n" }
    }
}

fn walk(
    table: &Table,
    path: &mut Vec<String>,
    sections: &mut Vec<TableSection>,
    entries: &mut Vec<KeyEntry>,
) {
    for (name, item) in table {
        path.push(name.to_owned());
        match item {
            Item::Value(value) => {
                let key = table.key(name).and_then(toml_edit::Key::span);
                if let (Some(key), Some(value)) = (key, value.span()) {
                    entries.push(KeyEntry { path: path.clone(), key: key.start, value });
                }
            }
            Item::Table(table) => {
                if let (Some(header), false) = (table.span(), table.is_implicit()) {
                    sections.push(TableSection { path: path.clone(), is_array: false, header, end: 0 });
                }
                walk(table, path, sections, entries);
            }
            Item::ArrayOfTables(tables) => {
                for table in tables {
                    if let Some(header) = table.span() {
                        sections.push(TableSection { path: path.clone(), is_array: true, header, end: 0 });
                    }
                    walk(table, path, sections, entries);
                }
            }
            Item::None => {}
        }
        path.pop();
    }
}

/// The text with one more line after the line of this byte.
fn line_after(text: &str, byte: usize, line: &str, newline: &str) -> String {
    match text[byte..].find('\n') {
        Some(end) => spliced(text, byte + end + 1..byte + end + 1, &format!("{line}{newline}")),
        None => format!("{text}{newline}{line}"),
    }
}

/// The start of the line after the line of this byte.
fn line_after_ends(text: &str, byte: usize) -> usize {
    text[byte..].find('\n').map_or(text.len(), |end| byte + end + 1)
}

fn line_start(text: &str, byte: usize) -> usize {
    text[..byte].rfind('\n').map_or(0, |newline| newline + 1)
}

fn indent_of(text: &str, start: usize) -> &str {
    let rest = &text[start..];
    &rest[..rest.len() - rest.trim_start_matches([' ', '\t']).len()]
}

/// The commented line, if it is a `#` and a key with a value.
fn commented(text: &str, range: Range<usize>) -> Option<Commented<'_>> {
    let line = text[range.clone()].trim_end_matches(['\r', '\n']);
    let indent = indent_of(line, 0);
    let behind = line[indent.len()..].strip_prefix('#')?;
    let rest = behind.strip_prefix(' ').unwrap_or(behind);
    if rest.starts_with([' ', '\t', '#']) {
        return None;
    }
    let layout = Layout::of(rest)?;
    match layout.entries.as_slice() {
        [entry] if layout.sections.len() == 1 => Some(Commented {
            range: range.start..range.start + line.len(),
            indent,
            rest,
            is_default: behind.len() == rest.len(),
            path: entry.path.clone(),
        }),
        _ => None,
    }
}
