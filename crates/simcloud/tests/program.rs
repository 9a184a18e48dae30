//! `azlin-simcloud` as a program: its output, its arguments, its refusals.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_azlin-simcloud"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running program. Dropping it kills it.
struct KilledProgram(Child);

impl Drop for KilledProgram {
    fn drop(&mut self) {
        // The program may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn refused(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = program(arguments).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn it_prints_where_it_is_serves_and_reports_at_its_end() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let directory = tempfile::tempdir().unwrap();
    let workload = directory.path().join("workload.toml");
    std::fs::write(&workload, "[[arrivals]]\nrepo = 'o/r'\nlabels = ['docker']\nduration = '1m'\njobs = 3\n")
        .unwrap();
    let arguments = ["--workload", workload.to_str().unwrap(), "--token", "ghp_simcloudtest"];
    let mut running = KilledProgram(program(&arguments).spawn().unwrap());
    let mut out = BufReader::new(running.0.stdout.take().unwrap());
    let mut told = BTreeMap::new();
    for _ in 0..5 {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let (name, value) = line.trim_end().split_once('=').unwrap();
        told.insert(name.to_owned(), value.to_owned());
    }
    assert_eq!(told["GITHUB_TOKEN"], "ghp_simcloudtest");

    let http = Client::builder().no_proxy().build().unwrap();
    let github = &told["GITHUB_URL"];
    let runs = http.get(format!("{github}/repos/o/r/actions/runs?status=queued"));
    let runs: Value = runs.bearer_auth(&told["GITHUB_TOKEN"]).send().await.unwrap().json().await.unwrap();
    assert_eq!(runs["total_count"], 1);
    let token = http.get(&told["IDENTITY_ENDPOINT"]).query(&[("resource", "https://management.azure.com")]);
    let token = token.header("x-identity-header", &told["IDENTITY_HEADER"]).send().await.unwrap();
    let token: Value = token.json().await.unwrap();
    let vms = format!("{}/subscriptions/s/providers/Microsoft.Compute/virtualMachines", told["AZURE_URL"]);
    let vms = http.get(vms).bearer_auth(token["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(vms.status(), StatusCode::OK);

    let two = json!({"repo": "o/r", "jobs": [{"labels": ["docker"], "duration_s": 5}, {"labels": [], "duration_s": 1.5}]});
    let submitted = http.post(format!("{github}/_sim/runs")).json(&two).send().await.unwrap();
    assert_eq!(submitted.status(), StatusCode::CREATED);
    let wrong = http.post(format!("{github}/_sim/runs")).json(&json!({"repo": "o/r"})).send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let state = http.get(format!("{github}/_sim/state")).send().await.unwrap();
    assert_eq!(state.json::<Value>().await.unwrap()["jobs"]["queued"], 5);

    let signalled = Command::new("kill").args(["-TERM", &running.0.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let mut report = String::new();
    out.read_to_string(&mut report).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["jobs_submitted"], &report["jobs_unserved"]), (&json!(5), &json!(5)));
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
}

#[test]
fn what_it_cannot_do_it_says() {
    let (code, said) = refused(&["--listen", "0.0.0.0:0"]);
    assert_eq!((code, said.contains("not on loopback")), (Some(1), true), "{said}");
    let (code, said) = refused(&["--workload", "missing.toml"]);
    assert_eq!((code, said.contains("missing.toml: No such file")), (Some(1), true), "{said}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said) = refused(&["--listen", &address]);
    assert_eq!((code, said.contains("in use")), (Some(1), true), "{said}");
    assert_eq!(refused(&["--sead", "1"]).0, Some(2));
}
