//! No secret is in any printed text, nor in the logs of the crates below.

use std::io;
use std::sync::OnceLock;

use azlin_fleet::ports::Azure;
use azlin_simcloud::scripted::json;
use parking_lot::Mutex;
use secrecy::SecretString;
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::{BEARER, HEADER, azure, group, name, settings, spec, vm};

const CUSTOM_DATA: &str = "I2Nsb3VkLWNvbmZpZyB3aXRoIGEgSklUIGNvbmZpZ3VyYXRpb24=";

fn check(printed: &str) {
    for secret in [BEARER, HEADER, CUSTOM_DATA, "with a JIT configuration", "cl13nt-s3cr3t", "eyJ"] {
        assert!(!printed.contains(secret), "{secret} is in: {printed}");
    }
}

#[tokio::test]
async fn no_secret_is_in_an_error_or_a_struct() {
    let mut printed = String::new();
    for status in [400, 401, 403, 404, 409, 412, 429, 500] {
        // Azure may repeat parameters of the request in its message.
        let (server, azure) = azure(move |request, _| {
            let authorization = request.header("authorization").unwrap_or_default();
            let message = format!("who is {authorization} with eyJhbGciOi.eyJzdWIi.c2ln? {}", request.body);
            json(status, json!({"error": {"code": "Odd", "message": message}}))
        })
        .await;
        let created = azure.create(&spec()).await;
        let listed = azure.vms(&group()).await;
        let deleted = azure.delete(&group(), name(7).as_str()).await;
        for error in [created.err(), listed.err(), deleted.err()].into_iter().flatten() {
            printed += &format!("{error} {error:?}");
        }
        let mut settings = settings(&server);
        settings.environment.client_secret = Some(SecretString::from("cl13nt-s3cr3t"));
        printed += &format!("{azure:?} {settings:?} {:?}", spec());
    }
    assert!(printed.contains("who is Bearer [redacted] with [redacted]?"), "{printed}");
    check(&printed);
}

/// The log at level TRACE of all tests here, including the crates below.
#[derive(Default)]
pub struct DebugLog(Mutex<Vec<u8>>);

/// Installs the log. Every test calls this before its first request: tracing decides at the first event of a
/// call site whether it logs.
pub fn listen() -> &'static DebugLog {
    static LOG: OnceLock<DebugLog> = OnceLock::new();
    static LISTENING: OnceLock<()> = OnceLock::new();
    let log = LOG.get_or_init(DebugLog::default);
    LISTENING.get_or_init(|| {
        let subscriber =
            tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log).with_ansi(false);
        tracing::subscriber::set_global_default(subscriber.finish()).expect("the only one");
    });
    log
}

impl io::Write for &DebugLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for &'static DebugLog {
    type Writer = &'a DebugLog;
    fn make_writer(&'a self) -> &'a DebugLog {
        self
    }
}

#[tokio::test]
async fn no_secret_is_in_the_logs_of_the_crates_below() {
    let (_server, azure) = azure(|request, _| match request.method.as_str() {
        "PUT" => json(201, vm(name(7).as_str(), &json!(spec().tags), "Creating")),
        _ => json(200, json!({"value": []})),
    })
    .await;
    azure.create(&spec()).await.expect("a VM");
    azure.vms(&group()).await.expect("a list");
    let log = String::from_utf8(listen().0.lock().clone()).expect("UTF-8");
    assert!(
        log.contains("set-by-the-transport"),
        "azure_core logs the authorization header that it is given: {log}"
    );
    check(&log);
}
