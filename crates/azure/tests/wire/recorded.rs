//! Answers in the forms in which Azure was recorded, one file for each recording, with values of our own. `$NAME` and
//! `$TAGS` stand for a VM of ours, a number behind them for another one; `$ROOT` for the server, `$PATH` for the path
//! that was requested.

mod vms;

use std::time::Duration;

use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::{Reply, json};
use serde::Deserialize;
use serde_json::Value;

use crate::{arm_requests, azure, group, name, spec, vm};

/// The text of a file of `recorded`.
macro_rules! recorded {
    ($name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/recorded/", $name, ".json"))
    };
}
pub(crate) use recorded;

/// The cases of a file.
#[derive(Deserialize)]
struct Cases<T> {
    cases: Vec<T>,
}

/// A refusal, and what it means to the daemon.
#[derive(Clone, Deserialize)]
struct Refused {
    name: String,
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Value,
    /// The kind of the error, as Rust prints it.
    #[serde(default)]
    kind: String,
    /// What a person reads in it.
    #[serde(default)]
    says: String,
    /// How many seconds Azure asks to wait.
    wait: Option<u64>,
}

impl Refused {
    fn reply(&self) -> Reply {
        reply(self.status, &self.headers, &self.body)
    }
}

fn cases<T: for<'de> Deserialize<'de>>(file: &str) -> Vec<T> {
    serde_json::from_str::<Cases<T>>(file).expect("cases").cases
}

fn reply(status: u16, headers: &[(String, String)], body: &Value) -> Reply {
    let headers = headers.iter().map(|(name, value)| (&*name.clone().leak(), value.clone()));
    let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    Reply::Answer(status, headers.collect(), body)
}

/// Each refusal of a PUT has its meaning, its code in the sentence, and the wait that Azure asks for.
async fn each_means_what_it_says(file: &str) {
    for case in cases::<Refused>(file) {
        let answer = case.clone();
        let (server, azure) = azure(move |request, _| match request.method.as_str() {
            "PUT" => answer.reply(),
            // A name that is taken is looked up: the VM is of others.
            _ => json(200, vm(name(7).as_str(), &Value::Null, "Succeeded")),
        })
        .await;
        let error = azure.create(&spec()).await.expect_err(&case.name);
        let told = format!("{}: {error:?}", case.name);
        assert_eq!(format!("{:?}", error.kind), case.kind, "{told}");
        assert!(error.to_string().contains(&case.says), "{told}");
        assert!(!error.to_string().contains('\n'), "one line of the journal: {told}");
        assert_eq!(error.retry_after, case.wait.map(Duration::from_secs), "{told}");
        let places = ["/error/details/0/code", "/error/code", "/code"];
        let mut codes = places.iter().filter_map(|place| case.body.pointer(place)?.as_str()).peekable();
        assert!(codes.peek().is_none() || codes.any(|code| error.to_string().contains(code)), "{told}");
        assert!(arm_requests(&server).iter().any(|request| request.method == "PUT"), "{told}");
    }
}

macro_rules! refusals {
    ($($test:ident: $name:literal),* $(,)?) => {
        $(#[tokio::test]
        async fn $test() {
            each_means_what_it_says(recorded!($name)).await;
        })*
    };
}

refusals! {
    errors_of_capacity: "errors-capacity",
    errors_of_conflicts: "errors-conflict",
    errors_of_images: "errors-image",
    errors_of_permissions: "errors-permission",
    errors_of_quotas: "errors-quota",
    errors_of_sizes: "errors-size",
    errors_of_spot_vms: "errors-spot",
    errors_of_throttling: "errors-throttling",
}

#[tokio::test]
async fn errors_in_odd_shapes() {
    for case in cases::<Refused>(recorded!("errors-shapes")) {
        let answer = case.clone();
        let (_server, azure) = azure(move |_, _| answer.reply()).await;
        let error = azure.vms(&group()).await.expect_err(&case.name);
        assert_eq!(format!("{:?}", error.kind), case.kind, "{}: {error:?}", case.name);
    }
}

#[tokio::test]
async fn errors_of_versions() {
    for case in cases::<Refused>(recorded!("errors-version")) {
        let answer = case.clone();
        let (server, azure) = azure(move |request, _| match request.query("api-version").as_deref() {
            Some("2025-04-01") => answer.reply(),
            _ => vms::put(request),
        })
        .await;
        azure.create(&spec()).await.expect(&case.name);
        let versions = arm_requests(&server)
            .iter()
            .filter_map(|request| request.query("api-version"))
            .collect::<Vec<_>>();
        assert_eq!(versions, ["2025-04-01", "2024-11-01"], "{}", case.name);
    }
}
