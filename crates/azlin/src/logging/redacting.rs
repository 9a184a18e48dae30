//! Redacts what looks like a secret in each log line, and replaces control and format characters, just before it is
//! written.
//!
//! Texts from outside are made fit where they are taken in; this is the second line of defence, also for what libraries
//! log.

use std::borrow::Cow;
use std::fmt::Debug;

use azlin_fleet::model::foreign::printable;
use azlin_fleet::model::redact;
use tracing::field::{DisplayValue, Field, Value, Visit, display};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The most fields that an event can have.
const MOST_FIELDS: usize = 32;

/// A layer that gets events without secrets and without what a terminal would act on.
pub(super) struct Redacting<L>(pub(super) L);

/// The texts of an event, and whether one was changed.
#[derive(Default)]
struct Texts {
    clean: Vec<(Field, String)>,
    found_any: bool,
}

impl Texts {
    fn take(&mut self, field: &Field, text: &str) {
        // A line of the log is one line.
        let line =
            if text.contains('\n') { Cow::Owned(text.replace('\n', " ")) } else { Cow::Borrowed(text) };
        let clean = printable(&redact::secrets(&line)).into_owned();
        self.found_any |= clean != text;
        self.clean.push((field.clone(), clean));
    }
}

impl Visit for Texts {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take(field, &format!("{value:?}"));
    }
}

impl<S: Subscriber, L: Layer<S>> Layer<S> for Redacting<L> {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut texts = Texts::default();
        event.record(&mut texts);
        if !texts.found_any {
            return self.0.on_event(event, context);
        }
        let metadata = event.metadata();
        let values: Vec<(&Field, DisplayValue<&String>)> =
            texts.clean.iter().map(|(field, text)| (field, display(text))).collect();
        let Some((first, _)) = values.first() else { return };
        // The rest is filled up with empty fields, since their number is part of the type.
        let pairs: [(&Field, Option<&dyn Value>); MOST_FIELDS] =
            std::array::from_fn(|at| match values.get(at) {
                Some((field, text)) => (*field, Some(text as &dyn Value)),
                None => (*first, None),
            });
        let pairs = metadata.fields().value_set(&pairs);
        let clean = match event.parent() {
            Some(parent) => Event::new_child_of(parent.clone(), metadata, &pairs),
            None => Event::new(metadata, &pairs),
        };
        self.0.on_event(&clean, context);
    }

    fn on_layer(&mut self, subscriber: &mut S) {
        self.0.on_layer(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        self.0.on_new_span(attributes, id, context);
    }

    fn on_record(&self, span: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.0.on_record(span, values, context);
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing_subscriber::prelude::*;

    use super::*;

    #[derive(Clone, Default)]
    struct LogBuffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for LogBuffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> String {
        let written = LogBuffer::default();
        let writer = written.clone();
        let lines =
            tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry().with(Redacting(lines));
        tracing::subscriber::with_default(subscriber, log);
        let bytes = written.0.lock().clone();
        String::from_utf8(bytes).expect("JSON is UTF-8")
    }

    #[test]
    fn a_secret_is_in_no_field_of_a_line_and_the_rest_is() {
        let token = format!("ghs_{}", "a1B2".repeat(9));
        let line =
            logged(|| tracing::warn!(fleet = "ci", reason = %token, tick = 7, "ci: refused {token} at 7"));
        let line: serde_json::Value = serde_json::from_str(&line).expect("one line");
        assert_eq!(line["message"], "ci: refused [redacted] at 7");
        assert_eq!(line["reason"], "[redacted]");
        assert_eq!((&line["fleet"], &line["level"]), (&"ci".into(), &"WARN".into()));
        assert_eq!(line["tick"], "7", "a number becomes text, where the line had to be written anew");
    }

    #[test]
    fn no_field_of_a_line_holds_what_a_terminal_acts_on() {
        let name = "a\u{9b}31m\u{202e}\r\n2026 INFO forged";
        let line = logged(|| tracing::warn!(fleet = "ci", reason = %name, "ci: {name}"));
        assert_eq!(line.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&line).expect("one line");
        assert_eq!(line["reason"], "a\u{fffd}31m\u{fffd}\u{fffd} 2026 INFO forged");
        assert_eq!(line["message"], "ci: a\u{fffd}31m\u{fffd}\u{fffd} 2026 INFO forged");
    }

    #[test]
    fn a_clean_line_goes_through_as_it_is() {
        let line = logged(|| tracing::info!(fleet = "ci", tick = 7, "ci: 2 runners"));
        let line: serde_json::Value = serde_json::from_str(&line).expect("one line");
        assert_eq!((&line["message"], &line["tick"]), (&"ci: 2 runners".into(), &7.into()));
    }
}
