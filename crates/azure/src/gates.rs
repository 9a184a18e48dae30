//! Holds requests back while Azure asks to wait (Learn: Understand how Azure Resource Manager throttles
//! requests; Troubleshoot throttling errors in Azure Compute).
//!
//! The resource manager counts reads, writes and deletions of each subscription. Resource providers count
//! each operation as well, and those on each VM. A refusal holds back only requests of the same count: VMs are still
//! deleted while creations wait, and other VMs while one is busy.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use reqwest::Method;
use tokio::time::Instant;
use url::Url;

use crate::error::ArmEffect;

/// The count that a request belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Counted {
    subscription: String,
    effect: ArmEffect,
    /// The kind of resource, and whether it is one or all of them: `virtualmachines/*`.
    operation: String,
    /// The path of the resource, where only requests on it are counted.
    resource: String,
}

impl Counted {
    /// By the method and `/subscriptions/<id>/…/providers/<namespace>/<kind>/<name>`.
    pub(crate) fn of(method: &Method, url: &Url) -> Self {
        let effect = match *method {
            Method::GET => ArmEffect::Reads,
            Method::DELETE => ArmEffect::Deletes,
            Method::PATCH => ArmEffect::Updates,
            _ => ArmEffect::Creates,
        };
        let segments: Vec<String> =
            url.path_segments().into_iter().flatten().map(str::to_ascii_lowercase).collect();
        let subscription = segments.get(1).cloned().unwrap_or_default();
        let resource =
            segments.iter().rposition(|segment| segment == "providers").map(|at| &segments[at + 1..]);
        let operation = match resource {
            Some([_, kind, _, rest @ ..]) => format!("{kind}/*/{}", rest.join("/")),
            Some([_, kind]) => kind.clone(),
            _ => String::new(),
        };
        Counted { subscription, effect, operation, resource: segments.join("/") }
    }

    pub(crate) fn subscription(&self) -> &str {
        &self.subscription
    }

    pub(crate) fn effect(&self) -> ArmEffect {
        self.effect
    }
}

/// Which requests a refusal holds back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// All reads, writes or deletions of the subscription.
    Subscription,
    /// This operation alone.
    Operation,
    /// This operation on this resource alone.
    Resource,
}

/// The most resources that are held back by themselves.
const MOST_HELD: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct Gates {
    until: Mutex<HashMap<Counted, Instant>>,
}

impl Gates {
    /// How long such requests are still held back, if they are.
    pub(crate) fn shut_for(&self, counted: &Counted) -> Option<Duration> {
        let now = Instant::now();
        let mut until = self.until();
        until.retain(|_, until| *until > now);
        let keys = [counted.clone(), of_operation(counted), of_subscription(counted)];
        keys.iter().filter_map(|key| until.get(key)).max().map(|until| *until - now)
    }

    /// Holds such requests back for this time.
    pub(crate) fn shut(&self, counted: &Counted, extent: Extent, wait: Duration) {
        let key = match extent {
            Extent::Subscription => of_subscription(counted),
            Extent::Operation => of_operation(counted),
            Extent::Resource => counted.clone(),
        };
        let end = Instant::now() + wait;
        let mut until = self.until();
        if until.len() >= MOST_HELD && !until.contains_key(&key) {
            until.retain(|_, until| *until > Instant::now());
            if until.len() >= MOST_HELD {
                return;
            }
        }
        let kept = until.entry(key).or_insert(end);
        *kept = end.max(*kept);
    }

    fn until(&self) -> MutexGuard<'_, HashMap<Counted, Instant>> {
        self.until.lock()
    }
}

fn of_operation(counted: &Counted) -> Counted {
    Counted { resource: String::new(), ..counted.clone() }
}

fn of_subscription(counted: &Counted) -> Counted {
    Counted { operation: String::new(), ..of_operation(counted) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(method: &Method, path: &str) -> Counted {
        let url = format!("https://management.azure.com/subscriptions/S/{path}?api-version=1");
        Counted::of(method, &Url::parse(&url).expect("valid"))
    }

    const VMS: &str = "resourceGroups/g/providers/Microsoft.Compute/virtualMachines";

    #[test]
    fn what_requests_are_counted_as() {
        for (path, operation) in [
            (VMS.to_owned(), "virtualmachines"),
            (format!("{VMS}/a"), "virtualmachines/*/"),
            (format!("{VMS}/a/retrieveBootDiagnosticsData"), "virtualmachines/*/retrievebootdiagnosticsdata"),
            ("providers/Microsoft.Compute/virtualMachines".to_owned(), "virtualmachines"),
            ("resourceGroups/g".to_owned(), ""),
        ] {
            let found = counted(&Method::GET, &path);
            assert_eq!((found.subscription.as_str(), found.operation.as_str()), ("s", operation), "{path}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_holds_back_what_is_counted_with_it() {
        let one = |method| counted(&method, &format!("{VMS}/a"));
        let (put, delete, get) = (one(Method::PUT), one(Method::DELETE), one(Method::GET));
        let list = counted(&Method::GET, VMS);
        let gates = Gates::default();
        gates.shut(&put, Extent::Operation, Duration::from_secs(17));
        gates.shut(&put, Extent::Operation, Duration::from_secs(3));
        assert_eq!(gates.shut_for(&put), Some(Duration::from_secs(17)));
        assert_eq!(
            gates.shut_for(&counted(&Method::PUT, &format!("{VMS}/b"))),
            Some(Duration::from_secs(17))
        );
        assert_eq!((gates.shut_for(&delete), gates.shut_for(&get)), (None, None));
        gates.shut(&delete, Extent::Resource, Duration::from_secs(4));
        assert_eq!(gates.shut_for(&delete), Some(Duration::from_secs(4)));
        let other = counted(&Method::DELETE, &format!("{VMS}/b"));
        assert_eq!((gates.shut_for(&other), gates.shut_for(&get)), (None, None), "that resource alone");
        tokio::time::advance(Duration::from_secs(4)).await;
        gates.shut(&get, Extent::Subscription, Duration::from_secs(5));
        assert_eq!(gates.shut_for(&list), Some(Duration::from_secs(5)), "everything that reads");
        assert_eq!(gates.shut_for(&delete), None);
        tokio::time::advance(Duration::from_secs(13)).await;
        assert_eq!((gates.shut_for(&put), gates.shut_for(&list)), (None, None));
    }
}
