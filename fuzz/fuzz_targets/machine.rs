//! The output of a probe, a step or a console is read or refused. The part of a console that is shown is
//! bounded.

#![no_main]

use azlin_fleet::bootstrap::{console::telling, steps::{ProbeResult, WantedRunner, next, runner_id}};
use azlin_fleet::model::{Download, Step, redact};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Some(told) = telling(text) {
        assert!(!told.contains('\n') && told.chars().count() <= 3_100, "{told:?}");
    }
    assert!(!redact::line(text, &["a secret"]).contains("a secret"));
    let Ok(found) = ProbeResult::parse(text) else { return };
    let download = Download {
        os: "linux".into(),
        architecture: "x64".into(),
        url: "https://example.com/actions-runner-linux-x64-2.330.0.tar.gz".to_owned(),
        filename: "actions-runner-linux-x64-2.330.0.tar.gz".to_owned(),
        sha256: None,
    };
    let name = found.configured.as_ref().or(found.registered.as_ref()).map_or("", |(_, name)| name);
    let wanted = WantedRunner { name, download: &download, dependencies: true, setup: true };
    let _ = (next(&found, &wanted), runner_id(&found, &wanted));
    let _ = found.clone().after(&Step::Fetch(download.clone()), text);
});
