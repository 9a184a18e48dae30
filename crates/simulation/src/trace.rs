//! The trace of a simulation: everything that happens in its world and, on request, every line of the
//! daemon's journal, in one order. Two runs of a seed have the same trace.

use std::cell::RefCell;
use std::fmt::{Debug, Write};
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::sync::{Arc, Once};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::invariants::SinceStart;
use super::raw_text::RawTextLayer;

/// A function that receives each line as it is written.
type LineReader = Box<dyn FnMut(&str) + Send>;

/// A trace. Clones write the same one.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<TraceState>>);

#[derive(Default)]
struct TraceState {
    hash: DefaultHasher,
    line: String,
    reader: Option<LineReader>,
}

impl Trace {
    /// A trace whose lines `reader` receives.
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

    /// The hash of all lines so far.
    pub fn digest(&self) -> u64 {
        self.state().hash.finish()
    }

    fn state(&self) -> MutexGuard<'_, TraceState> {
        self.0.lock()
    }
}

thread_local! {
    static JOURNAL: RefCell<Option<Journal>> = const { RefCell::new(None) };
}

/// The trace that takes this thread's journal.
struct Journal {
    trace: Trace,
    began: Instant,
    level: Level,
    directory: String,
}

/// From now on all journals of this process are looked at, each in its thread.
pub(crate) fn subscribe() {
    // One subscriber for all threads: replacing it while other threads log would lose their lines.
    static GLOBAL: Once = Once::new();
    GLOBAL.call_once(|| {
        let layers = tracing_subscriber::registry().with(JournalLayer).with(RawTextLayer);
        let _ = tracing::subscriber::set_global_default(layers);
    });
}

/// While it exists, the journal of this thread's daemon goes into a trace.
#[must_use]
pub struct JournalGuard(());

impl Drop for JournalGuard {
    fn drop(&mut self) {
        JOURNAL.set(None);
    }
}

impl Trace {
    /// Adds the journal of this thread to the trace, up to this level. The state directory has another name
    /// in each run, so the trace calls it STATE.
    pub fn take_journal(&self, began: Instant, level: Level, directory: &Path) -> JournalGuard {
        subscribe();
        let directory = directory.display().to_string();
        JOURNAL.set(Some(Journal { trace: self.clone(), began, level, directory }));
        JournalGuard(())
    }
}

/// Writes the log events of a thread into its trace.
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
