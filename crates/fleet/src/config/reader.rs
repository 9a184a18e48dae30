//! Reads a TOML table key by key, and reports every problem, not only the first one.
//!
//! Each accessor names its key, so the keys that the code reads are the known keys. A key that remains at
//! [`Table::finish`] is unknown.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::str::FromStr;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::defaults::FleetDefaults;
use super::misplaced::elsewhere;
use super::problem::{Problem, ProblemKind, Problems, lines_of, position};
use super::value::found;
use super::{secret, syntax};
use crate::model::NameError;

/// A file while it is read.
pub(super) struct ConfigFile<'t> {
    name: &'t str,
    text: &'t str,
    problems: RefCell<Vec<Problem>>,
    /// Every key that an accessor has requested, with its table.
    known: RefCell<Vec<(String, &'static str)>>,
    /// The keys whose values are from `[defaults]` of azlin.toml.
    defaulted: RefCell<BTreeSet<String>>,
    is_toml: Cell<bool>,
}

impl<'t> ConfigFile<'t> {
    pub(super) fn new(name: &'t str, text: &'t str) -> Self {
        ConfigFile {
            name,
            text,
            problems: RefCell::default(),
            known: RefCell::default(),
            defaulted: RefCell::default(),
            is_toml: Cell::new(true),
        }
    }

    /// The file's root table. For a text that is not TOML, only the first error is reported.
    pub(super) fn root(&self) -> Table<'_, 't> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        self.is_toml.set(errors.is_empty());
        // After the first syntax error the rest is guesswork.
        if let Some(error) =
            errors.iter().min_by_key(|error| error.span().map_or(usize::MAX, |span| span.start))
        {
            let end = self.text.len();
            let message = error.message().replace('\n', "; ");
            let all: Vec<&str> = errors.iter().map(toml::de::Error::message).collect();
            let help = syntax::help(&message, &all);
            let message = format!("this is not TOML: {message}");
            self.note(
                error.span().unwrap_or(end..end),
                ProblemKind::Syntax,
                "",
                message,
                Some(help.to_owned()),
            );
        }
        secret::each_secret(root.get_ref(), "", &|span, key| self.refuse_secret(span, key));
        Table {
            file: self,
            path: String::new(),
            span: root.span(),
            entries: root.into_inner(),
            known: Vec::new(),
            may_be_partial: false,
            is_of_list: false,
        }
    }

    /// The root table with the defaults for the keys that it does not have.
    pub(super) fn root_with(&self, defaults: &'t FleetDefaults) -> Table<'_, 't> {
        let mut root = self.root();
        *self.defaulted.borrow_mut() = defaults.add_to(&mut root.entries);
        root
    }

    /// The keys whose values are from the defaults.
    pub(super) fn defaulted(&self) -> BTreeSet<String> {
        self.defaulted.borrow().clone()
    }

    fn is_defaulted(&self, key: &str) -> bool {
        let is_its = |known: &String| {
            key.strip_prefix(known.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.defaulted.borrow().iter().any(is_its)
    }

    fn refuse_secret(&self, span: Range<usize>, key: &str) {
        let instead = if key.starts_with("bootstrap.environment") {
            "jobs get their secrets from GitHub, as secrets of the repository or organisation"
        } else {
            "give the token as GITHUB_TOKEN in the environment"
        };
        let help = format!("remove it, and revoke it if others could read this file; {instead}");
        let message = "a secret does not belong in this file".to_owned();
        self.note(span, ProblemKind::Secret, key, message, Some(help));
    }

    pub(super) fn note(
        &self,
        span: Range<usize>,
        kind: ProblemKind,
        key: &str,
        mut message: String,
        help: Option<String>,
    ) {
        let (line, column) = position(self.text, span.start);
        let is_quotable = !self.is_defaulted(key);
        if !is_quotable {
            message.push_str("; its value is from [defaults] of azlin.toml");
        }
        let key = if secret::looks_secret(key) { "(a secret, not shown)" } else { key };
        let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
        let (file, key) = (self.name.to_owned(), key.chars().map(shown).collect());
        let problem = Problem { kind, file, line, column, span, is_quotable, key, message, help };
        self.problems.borrow_mut().push(problem);
    }

    /// The parsed value, if the file has no problem.
    pub(super) fn finish<T>(self, read: Option<T>) -> Result<T, Problems> {
        let mut problems = self.problems.into_inner();
        let secrets: Vec<Range<usize>> = problems
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Secret)
            .map(|problem| lines_of(self.text, &problem.span))
            .collect();
        if !self.is_toml.get() {
            problems.retain(|problem| problem.kind == ProblemKind::Syntax);
        }
        let known = self.known.into_inner();
        for problem in &mut problems {
            if problem.kind == ProblemKind::UnknownKey {
                problem.help = elsewhere(&known, &problem.key).or(problem.help.take());
            }
            let lines = lines_of(self.text, &problem.span);
            let is_secret = secrets.iter().any(|secret| secret.start < lines.end && lines.start < secret.end);
            problem.is_quotable &= !is_secret && secret::may_be_shown(&self.text[lines]);
        }
        problems.sort_by_key(|problem| problem.span.start);
        match read {
            Some(read) if problems.is_empty() => Ok(read),
            _ => Err(Problems(problems)),
        }
    }
}

/// A table. Each key is taken from it once.
pub(super) struct Table<'f, 't> {
    file: &'f ConfigFile<'t>,
    path: String,
    span: Range<usize>,
    entries: DeTable<'t>,
    known: Vec<&'static str>,
    /// Missing keys are not reported: these are defaults, or the table's place holds something else, which is
    /// reported.
    may_be_partial: bool,
    /// It is one of a list of tables.
    is_of_list: bool,
}

/// Parses a value. The error says what is allowed.
pub(super) type Read<T> = fn(&DeValue<'_>) -> Result<T, String>;

impl<'t> Table<'_, 't> {
    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn take(&mut self, key: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.known.push(key);
        self.entries.remove(key)
    }

    /// The value of an optional key, and its span.
    pub(super) fn spanned<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<(T, Range<usize>)> {
        let value = self.take(key)?;
        match read(value.get_ref()) {
            Ok(read) => Some((read, value.span())),
            Err(allowed) => {
                let message = format!("found {}; allowed: {allowed}", found(value.get_ref()));
                self.file.note(value.span(), ProblemKind::Value, &self.path_of(key), message, None);
                None
            }
        }
    }

    /// The value of an optional key.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        self.spanned(key, read).map(|(value, _)| value)
    }

    /// The value of a key, or its default.
    pub(super) fn or<T>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> T {
        self.optional(key, read).unwrap_or(default)
    }

    /// The value of a required key.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        example: &str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        self.require(key, example);
        self.optional(key, read)
    }

    /// A list whose items are all read the same way, and its span.
    pub(super) fn list<T>(&mut self, key: &'static str, read: Read<T>) -> Option<(Vec<T>, Range<usize>)> {
        let value = self.take(key)?;
        let span = value.span();
        let Some(items) = value.get_ref().as_array() else {
            let message =
                format!("found {}; allowed: a list in brackets, such as [\"…\"]", found(value.get_ref()));
            self.file.note(span, ProblemKind::Value, &self.path_of(key), message, None);
            return None;
        };
        let mut read_items = Vec::with_capacity(items.len());
        for item in items {
            match read(item.get_ref()) {
                Ok(read) => read_items.push(read),
                Err(allowed) => {
                    let message = format!("found {}; allowed in this list: {allowed}", found(item.get_ref()));
                    self.file.note(item.span(), ProblemKind::Value, &self.path_of(key), message, None);
                }
            }
        }
        (read_items.len() == items.len()).then_some((read_items, span))
    }

    /// The keys that the user has chosen, each with its value.
    pub(super) fn chosen<T>(
        mut self,
        read: impl Fn(&str, &DeValue<'_>) -> Result<T, String>,
    ) -> BTreeMap<String, T> {
        let mut chosen = BTreeMap::new();
        for (key, value) in std::mem::take(&mut self.entries) {
            let name = key.get_ref().as_ref();
            match read(name, value.get_ref()) {
                Ok(value) => drop(chosen.insert(name.to_owned(), value)),
                Err(allowed) => {
                    let message = format!("found {}; allowed: {allowed}", found(value.get_ref()));
                    let span = key.span().start..value.span().end;
                    self.file.note(span, ProblemKind::Value, &self.path_of(name), message, None);
                }
            }
        }
        chosen
    }

    /// Reports that a key is missing, unless it is present.
    pub(super) fn require(&self, key: &'static str, example: &str) {
        if !self.entries.contains_key(key) {
            self.missing(key, &format!("{key} = {example}"));
        }
    }

    /// A table below this one. An absent table reads as an empty one.
    pub(super) fn table(&mut self, key: &'static str) -> Self {
        let path = self.path_of(key);
        let above = self.may_be_partial;
        let empty = |span, may_be_partial| Table {
            is_of_list: false,
            file: self.file,
            path: path.clone(),
            span,
            entries: DeTable::new(),
            known: vec![],
            may_be_partial,
        };
        match self.take(key) {
            None => empty(self.span.end..self.span.end, above),
            Some(value) => {
                let span = value.span();
                match value.into_inner() {
                    DeValue::Table(entries) => Table {
                        file: self.file,
                        path,
                        span,
                        entries,
                        known: Vec::new(),
                        may_be_partial: above,
                        is_of_list: false,
                    },
                    other => {
                        let message = format!("found {}; allowed: a table, [{path}]", found(&other));
                        self.file.note(span.clone(), ProblemKind::Value, &path, message, None);
                        empty(span, true)
                    }
                }
            }
        }
    }

    /// The table, of which any key may be missing.
    pub(super) fn partial(mut self) -> Self {
        self.may_be_partial = true;
        self
    }

    /// The tables below a table, each by a name that the user has chosen.
    pub(super) fn named_tables<N>(
        &mut self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<N, String>,
    ) -> Vec<(N, Self)> {
        let mut outer = self.table(key);
        let mut named = Vec::new();
        for (key, value) in std::mem::take(&mut outer.entries) {
            let text = key.get_ref().as_ref().to_owned();
            let path = format!("{}.{text}", outer.path);
            let span = value.span();
            match (read(&DeValue::String(text.into())), value.into_inner()) {
                (Ok(name), DeValue::Table(entries)) => {
                    let table = Table {
                        file: self.file,
                        path,
                        span,
                        entries,
                        known: Vec::new(),
                        may_be_partial: false,
                        is_of_list: false,
                    };
                    named.push((name, table));
                }
                (Err(allowed), _) => {
                    let message = format!("found a name that is none; allowed: {allowed}");
                    self.file.note(key.span(), ProblemKind::Value, &path, message, None);
                }
                (Ok(_), other) => {
                    let message = format!("found {}; allowed: a table, [{path}]", found(&other));
                    self.file.note(span, ProblemKind::Value, &path, message, None);
                }
            }
        }
        named
    }

    /// The tables of a list, `[[key]]`. An absent list has none.
    pub(super) fn tables(&mut self, key: &'static str) -> Vec<Self> {
        let path = self.path_of(key);
        let Some(value) = self.take(key) else { return Vec::new() };
        let wrong = |span, value: &DeValue<'_>| {
            let message = format!("found {}; allowed: tables, each below [[{path}]]", found(value));
            self.file.note(span, ProblemKind::Value, &path, message, None);
        };
        let (span, value) = (value.span(), value.into_inner());
        let DeValue::Array(items) = value else {
            wrong(span, &value);
            return Vec::new();
        };
        let table = |item: Spanned<DeValue<'t>>| {
            let span = item.span();
            match item.into_inner() {
                DeValue::Table(entries) => Some(Table {
                    file: self.file,
                    path: path.clone(),
                    span,
                    entries,
                    known: Vec::new(),
                    may_be_partial: false,
                    is_of_list: true,
                }),
                other => {
                    wrong(span, &other);
                    None
                }
            }
        };
        items.into_iter().filter_map(table).collect()
    }

    /// Reports that a parsed value is not allowed.
    pub(super) fn wrong(&self, span: Range<usize>, key: &str, message: String) {
        self.file.note(span, ProblemKind::Value, &self.path_of(key), message, None);
    }

    /// Reports that a parsed value conflicts with another one.
    pub(super) fn conflict(&self, span: Range<usize>, key: &str, message: String, help: Option<String>) {
        self.file.note(span, ProblemKind::Conflict, &self.path_of(key), message, help);
    }

    /// Reports that a key is missing, and the line to add.
    pub(super) fn missing(&self, key: &str, line: &str) {
        if self.may_be_partial {
            return;
        }
        let message = "this key is missing, and there is no default".to_owned();
        let help = match (self.path.as_str(), self.is_of_list) {
            ("", _) => format!("add: {line}"),
            (path, true) => format!("add in [[{path}]]: {line}"),
            (path, false) => format!("add in [{path}]: {line}"),
        };
        // A key that is missing at the top level has no line of its own.
        let span = if self.path.is_empty() { 0..0 } else { self.span() };
        self.file.note(span, ProblemKind::Missing, &self.path_of(key), message, Some(help));
    }

    /// The number of problems in the file so far.
    pub(super) fn count(&self) -> usize {
        self.file.problems.borrow().len()
    }

    /// The span of the table.
    pub(super) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// Reports every key that no accessor has read, with the nearest known key.
    pub(super) fn finish(self) {
        for (key, value) in &self.entries {
            let name = key.get_ref().as_ref();
            if secret::is_secret_key(name) && value.get_ref().is_str() {
                continue; // Already reported as a secret.
            }
            let usual = name.to_ascii_lowercase().replace('-', "_");
            let nearest = self
                .known
                .iter()
                .map(|known| (strsim::damerau_levenshtein(known, &usual), known))
                .filter(|(distance, known)| *distance <= (known.len() / 3).max(2))
                .min();
            let place = if self.path.is_empty() {
                "at the top level".to_owned()
            } else {
                format!("in [{}]", self.path)
            };
            let help = match nearest {
                Some((_, known)) => format!("did you mean {known}?"),
                None => format!("allowed {place}: {}", self.known.join(", ")),
            };
            let message = format!("there is no such key {place}");
            self.file.note(key.span(), ProblemKind::UnknownKey, &self.path_of(name), message, Some(help));
        }
        self.file.known.borrow_mut().extend(self.known.iter().map(|known| (self.path.clone(), *known)));
    }
}

/// Parses `true` or `false`.
pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "true or false".to_owned())
}

/// Parses a whole number in a range.
pub(super) fn number(range: std::ops::RangeInclusive<u32>) -> impl Fn(&DeValue<'_>) -> Result<u32, String> {
    move |value| {
        let integer = value.as_integer().and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
        integer
            .and_then(|n| u32::try_from(n).ok())
            .filter(|n| range.contains(n))
            .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
    }
}

/// Parses a text that is not empty.
pub(super) fn text(value: &DeValue<'_>) -> Result<String, String> {
    value
        .as_str()
        .filter(|text| !text.trim().is_empty() && !text.contains(char::is_control))
        .map(str::to_owned)
        .ok_or_else(|| "text in quotes, not empty".to_owned())
}

/// Parses a value whose type checks it.
pub(super) fn name<T: FromStr<Err = NameError>>(value: &DeValue<'_>) -> Result<T, String> {
    match value.as_str() {
        Some(text) => text.parse().map_err(|error: NameError| error.allowed.to_owned()),
        None => {
            let allowed = T::from_str("").map_or_else(|error| error.allowed, |_| "not empty");
            Err(format!("text in quotes, {allowed}"))
        }
    }
}
