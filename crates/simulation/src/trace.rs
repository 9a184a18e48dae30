//! The trace of a simulation: everything that happens in its world, and where asked for every line of the
//! daemon's journal, in one order. Two runs of a seed have the same.

use std::cell::RefCell;
use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::invariants::SinceStart;

/// Somebody who reads each line as it is written.
type LineReader = Box<dyn FnMut(&str) + Send>;

/// A trace, for all who write it.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<TraceState>>);

#[derive(Default)]
struct TraceState {
    hash: DefaultHasher,
    line: String,
    reader: Option<LineReader>,
}

impl Trace {
    /// A trace of which somebody reads each line.
    pub fn read_by(reader: impl FnMut(&str) + Send + 'static) -> Self {
        Trace(Arc::new(Mutex::new(TraceState { reader: Some(Box::new(reader)), ..TraceState::default() })))
    }

    /// Writes a line.
    pub fn line(&self, at: Duration, what: std::fmt::Arguments<'_>) {
        let TraceState { hash, line, reader } = &mut *self.state();
        line.clear();
        let _ = write!(line, "{} {what}", SinceStart(at));
        hash.write(line.as_bytes());
        if let Some(reader) = reader {
            reader(line);
        }
    }

    /// A number that only this trace has.
    pub fn digest(&self) -> u64 {
        self.state().hash.finish()
    }

    fn state(&self) -> MutexGuard<'_, TraceState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    static JOURNAL: RefCell<Option<Journal>> = const { RefCell::new(None) };
}

/// Where this thread's journal goes.
struct Journal {
    trace: Trace,
    began: Instant,
    level: Level,
    directory: String,
}

/// Until it is dropped, what this thread's daemon tells is written into a trace.
#[must_use]
pub struct JournalGuard(());

impl Drop for JournalGuard {
    fn drop(&mut self) {
        JOURNAL.set(None);
    }
}

impl Trace {
    /// From now on the journal is written into it, as far as it is so important. The state directory, which
    /// has another name each time, is called STATE.
    pub fn take_journal(&self, began: Instant, level: Level, directory: &Path) -> JournalGuard {
        // One for all threads: those that come and go while others tell something lose lines.
        static GLOBAL: Once = Once::new();
        GLOBAL.call_once(|| {
            let _ =
                tracing::subscriber::set_global_default(tracing_subscriber::registry().with(JournalLayer));
        });
        let directory = directory.display().to_string();
        JOURNAL.set(Some(Journal { trace: self.clone(), began, level, directory }));
        JournalGuard(())
    }
}

/// Writes what a thread tells into its trace.
struct JournalLayer;

impl<S: Subscriber> Layer<S> for JournalLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        JOURNAL.with_borrow(|journal| {
            let level = *event.metadata().level();
            let Some(journal) = journal.as_ref().filter(|journal| level <= journal.level) else { return };
            let mut message = Message(String::new());
            event.record(&mut message);
            let message = message.0.replace(&journal.directory, "STATE");
            journal.trace.line(journal.began.elapsed(), format_args!("{level:>5} {message}"));
        });
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let _ = write!(self.0, "{value:?}");
        }
    }
}
