//! Finds what no output may have: control and format characters in a line of the daemon's journal, in its status and in
//! the files that it writes.

use std::cell::RefCell;
use std::fmt::Debug;
use std::path::PathBuf;

use azlin_fleet::model::foreign::has_odd;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

thread_local! {
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The first field of the journal of this thread's daemon, since the last call, that no output may have.
pub fn said() -> Option<String> {
    SAID.take()
}

/// A text with such a character in a value.
pub fn in_value(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => has_odd(text).then(|| text.clone()),
        Value::Array(items) => items.iter().find_map(in_value),
        Value::Object(fields) => fields
            .iter()
            .find_map(|(name, field)| has_odd(name).then(|| name.clone()).or_else(|| in_value(field))),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The same, in files of JSON. A file that is no JSON was cut off.
pub fn in_files(files: &[(PathBuf, Vec<u8>)]) -> Option<String> {
    files.iter().find_map(|(_, bytes)| in_value(&serde_json::from_slice(bytes).ok()?))
}

/// Looks at what the daemon of a thread logs for people.
pub(crate) struct RawTextLayer;

impl<S: Subscriber> Layer<S> for RawTextLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::INFO {
            event.record(&mut Fields);
        }
    }
}

struct Fields;

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if has_odd(value) {
            SAID.set(Some(format!("{} {value:?}", field.name())));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
