//! A scale set as people see it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{ForeignText, Label, ScaleSetId, age, counted};

/// What people see of a scale set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleSetStatus {
    /// Its name.
    pub name: String,
    /// GitHub's id of it. Absent until it is there.
    pub id: Option<ScaleSetId>,
    /// Its labels, as GitHub has them.
    pub labels: Vec<ForeignText>,
    /// Labels that GitHub has not taken.
    pub refused_labels: Vec<Label>,
    /// Jobs that are assigned to it, waiting and running.
    pub assigned: u32,
    /// Jobs that run.
    pub running: u32,
    /// Since when its session is open. Absent while there is none.
    pub session_since: Option<Timestamp>,
    /// When GitHub was last heard in the session.
    pub last_message: Option<Timestamp>,
    /// How many assignments have lapsed since the daemon began, because no runner was ready in time.
    pub lapses: u32,
    /// What keeps the session from being open.
    pub trouble: Option<String>,
    /// A runner that was made before is not of this set. Absent if that is not known.
    #[serde(default)]
    pub made_at: Option<Timestamp>,
}

impl ScaleSetStatus {
    /// In a line, without its name.
    pub fn in_words(&self, now: Timestamp) -> String {
        let session = match (&self.trouble, self.session_since) {
            (Some(why), _) => format!("no session: {why}"),
            (None, Some(since)) => {
                let heard =
                    self.last_message.map_or(String::new(), |at| format!(", heard {} ago", age(at, now)));
                format!("session for {}{heard}", age(since, now))
            }
            (None, None) => "no session: the daemon opens one".to_owned(),
        };
        let waiting = self.assigned.saturating_sub(self.running);
        let mut told = format!("{waiting} assigned, {} running; {session}", self.running);
        if self.lapses > 0 {
            let lapsed = counted(u64::from(self.lapses), "assignment");
            told += &format!("; {lapsed} lapsed because no runner was ready within five minutes");
        }
        told
    }

    /// Its labels in a line, as GitHub has them.
    pub fn labels_in_words(&self) -> String {
        let labels = self.labels.iter().map(ForeignText::as_str).collect::<Vec<_>>().join(", ");
        let refused: Vec<&str> = self.refused_labels.iter().map(Label::as_str).collect();
        match refused.as_slice() {
            [] => labels,
            refused => format!("{labels}; GitHub has not taken {}", refused.join(", ")),
        }
    }
}
