//! Lasting errors of the daemon itself, which belong to no fleet: an address that it cannot listen on, a door that is
//! crowded. Each is told once when it begins and once when it ends.

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::ForgottenFleet;
use crate::model::elapsed;

/// The subject of a lasting error of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DaemonErrorKind {
    /// A configured address that cannot be listened on.
    Listening,
    /// A door with more connections than places.
    Crowded,
    /// A fleet whose file is gone while its VMs are there.
    Forgotten,
}

impl DaemonErrorKind {
    /// All subjects.
    pub const ALL: [DaemonErrorKind; 3] =
        [DaemonErrorKind::Listening, DaemonErrorKind::Crowded, DaemonErrorKind::Forgotten];

    /// The name of the subject, in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            DaemonErrorKind::Listening => "listening",
            DaemonErrorKind::Crowded => "crowded",
            DaemonErrorKind::Forgotten => "forgotten",
        }
    }
}

/// A lasting error of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonError {
    /// The subject of the error.
    pub about: DaemonErrorKind,
    /// The address, the door or the pool that it is about.
    pub of: String,
    /// The error, for people.
    pub what: String,
    /// When the error began.
    pub since: Timestamp,
}

impl From<&ForgottenFleet> for DaemonError {
    fn from(fleet: &ForgottenFleet) -> Self {
        DaemonError {
            about: DaemonErrorKind::Forgotten,
            of: fleet.pool.to_string(),
            what: fleet.to_string(),
            since: fleet.since,
        }
    }
}

/// Whom connections are for. Each kind has places of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoorKind {
    /// Not known yet: the head of the request is not complete.
    Arrival,
    /// Operators and their tools: page, health, metrics.
    Operators,
    /// GitHub's deliveries.
    Webhook,
}

impl DoorKind {
    /// All doors.
    pub const ALL: [DoorKind; 3] = [DoorKind::Arrival, DoorKind::Operators, DoorKind::Webhook];

    /// The name of the door, in metrics and in the journal.
    pub fn as_str(self) -> &'static str {
        match self {
            DoorKind::Arrival => "arrival",
            DoorKind::Operators => "operators",
            DoorKind::Webhook => "webhook",
        }
    }
}

/// How long no connection must have given way before a door counts as crowded no more.
const QUIET: Duration = Duration::from_secs(60);

/// Whether a door is crowded: connections give way to others.
#[derive(Debug, Clone, Copy, Default)]
pub struct Crowding {
    /// How many connections had given way at the last look.
    evicted: u64,
    /// The look that last saw more of them.
    last: Option<Timestamp>,
    /// Since when it lasts.
    since: Option<Timestamp>,
}

/// What a look at a door shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrowdingChange {
    /// The door is crowded from now on.
    Begins,
    /// It is crowded no more, after this time.
    Ends(Duration),
}

impl Crowding {
    /// A look: so many connections have given way since the daemon began.
    pub fn look(&mut self, evicted: u64, now: Timestamp) -> Option<CrowdingChange> {
        if evicted > self.evicted {
            (self.evicted, self.last) = (evicted, Some(now));
            return self.since.replace(self.since.unwrap_or(now)).is_none().then_some(CrowdingChange::Begins);
        }
        let is_quiet = self.last.is_some_and(|last| elapsed(last, now) >= QUIET);
        let since = self.since.take_if(|_| is_quiet)?;
        Some(CrowdingChange::Ends(elapsed(since, now)))
    }
}

/// That a door is crowded, for people.
pub fn crowded(door: DoorKind) -> String {
    let (who, cure) = match door {
        DoorKind::Arrival => (
            "that have not said what they want",
            "who reaches its addresses can cause this: let GitHub and operators alone reach them",
        ),
        DoorKind::Operators => (
            "to page, health and metrics",
            "who reaches [http] listen can cause this, and so can very many open pages",
        ),
        DoorKind::Webhook => (
            "to the webhook",
            "who reaches it can cause this without the secret: let GitHub's addresses alone reach it (`hooks` of GitHub's GET /meta)",
        ),
    };
    format!(
        "more connections {who} than there are places: the oldest unfinished ones give way to new ones, which are answered; {cure}"
    )
}

/// What keeps the daemon from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortHindrance {
    /// systemd's socket unit listens on this address, on the same port.
    SocketUnit(SocketAddr),
    /// The daemon may not listen there: its unit permits few ports (`SocketBindAllow=`), and ports below 1024 are for root.
    Forbidden,
    /// Another process has the port, most likely.
    Other,
}

/// That an address cannot be listened on, for people.
pub fn not_listening(address: SocketAddr, key: &str, error: &str, hindrance: PortHindrance) -> String {
    let cure = match hindrance {
        PortHindrance::SocketUnit(held) => format!(
            "azlin-github-runner.socket listens on {held} already: name {address} there instead, with `systemctl edit \
             azlin-github-runner.socket`, or another port in azlin.toml"
        ),
        PortHindrance::Forbidden => format!(
            "let systemd listen for the daemon: `systemctl edit azlin-github-runner.socket`, with ListenStream={address} below \
             [Socket]; the daemon itself may listen on the ports of SocketBindAllow= in its unit alone"
        ),
        PortHindrance::Other => "`ss -ltnp` as root shows who has the port".to_owned(),
    };
    format!(
        "{address} ([http] {key}) cannot be listened on: {error}; {cure}. It is tried again, and the fleets do not need it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_the_daemon_from_a_port_is_told_with_its_cure() {
        let address: SocketAddr = "0.0.0.0:8443".parse().expect("an address");
        for (hindrance, cure) in [
            (PortHindrance::SocketUnit(address), "listens on 0.0.0.0:8443 already"),
            (PortHindrance::Forbidden, "with ListenStream=0.0.0.0:8443 below [Socket]"),
            (PortHindrance::Other, "`ss -ltnp` as root"),
        ] {
            let told = not_listening(address, "listen", "no", hindrance);
            assert!(told.contains(cure) && told.ends_with("the fleets do not need it"), "{told}");
        }
    }

    #[test]
    fn a_crowded_door_is_told_when_it_begins_and_when_it_has_been_quiet_for_a_minute() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).expect("in range");
        let mut crowding = Crowding::default();
        for (second, evicted, expected) in [
            (0, 0, None),
            (10, 3, Some(CrowdingChange::Begins)),
            (20, 3, None),
            (60, 9, None),
            (110, 9, None),
            (120, 9, Some(CrowdingChange::Ends(Duration::from_secs(110)))),
            (200, 9, None),
            (210, 10, Some(CrowdingChange::Begins)),
            (270, 10, Some(CrowdingChange::Ends(Duration::from_secs(60)))),
        ] {
            assert_eq!(crowding.look(evicted, at(second)), expected, "after {second} s");
        }
    }
}
