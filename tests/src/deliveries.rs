//! GitHub's deliveries to a webhook, signed as GitHub signs them, and a client that sends them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ring::hmac;
use serde_json::{Value, json};

use crate::binary::{Cloud, DaemonProcess, VM};
use crate::ports::free_address;

/// The secret that signs the deliveries.
pub const SECRET: &str = "a secret of a webhook in tests";

/// GitHub's delivery about an event of a job: one of its own examples, changed.
///
/// # Panics
/// When the example cannot be read.
pub fn job(repo: &str, id: u64, labels: &[&str], action: &str) -> String {
    let file = include_str!("../../crates/simcloud/specs/workflow-job-examples.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let mut delivery = file["examples"][5].clone();
    delivery["action"] = json!(action);
    delivery["repository"]["full_name"] = json!(repo);
    delivery["workflow_job"]["id"] = json!(id);
    // The example's run is not that of the job.
    delivery["workflow_job"]["run_id"] = Value::Null;
    delivery["workflow_job"]["labels"] = json!(labels);
    delivery["workflow_job"]["status"] = json!(action);
    delivery.to_string()
}

/// The signature of a body with a secret.
pub fn signature(secret: &str, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// Delivers a body. Returns the status and the body of the answer.
///
/// # Errors
/// When there is no answer.
pub fn deliver(
    to: SocketAddr,
    event: &str,
    body: &str,
    signature: Option<&str>,
) -> std::io::Result<(u16, String)> {
    let signature =
        signature.map(|signature| format!("x-hub-signature-256: {signature}\r\n")).unwrap_or_default();
    let head = format!(
        "POST /webhook HTTP/1.1\r\nhost: {to}\r\ncontent-type: application/json\r\nx-github-event: {event}\r\n{signature}\
         content-length: {}\r\n\r\n",
        body.len()
    );
    ask(to, &[head.as_bytes(), body.as_bytes()].concat())
}

/// Sends a whole request. Returns the status and the body of the answer.
///
/// # Errors
/// When there is no answer.
pub fn ask(to: SocketAddr, request: &[u8]) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(to)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    // A server that refuses a body may answer before the body is complete.
    let sent = stream.write_all(request);
    let mut answer = String::new();
    if let Err(error) = stream.read_to_string(&mut answer)
        && answer.is_empty()
    {
        sent?;
        return Err(error);
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok((status, body.to_owned()))
}

/// As `send`, for a `GET`.
///
/// # Errors
/// When there is no answer.
pub fn get(to: SocketAddr, path: &str) -> std::io::Result<(u16, String)> {
    ask(to, format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n").as_bytes())
}

/// Starts a daemon with fleets, each on its own repository, that polls queues and health at these intervals, as TOML has
/// them. Returns the address of its webhook.
///
/// # Panics
/// When the daemon does not start.
pub fn start(cloud: &Cloud, fleets: usize, polls: [&str; 2]) -> (SocketAddr, DaemonProcess) {
    let scaling =
        "[scaling]\nmax_runners = 100\nscale_up_threshold = 0\ncooldown = \"0s\"\njobs_per_runner = 1\n";
    for number in 0..fleets {
        cloud.write(&format!("fleets/f{number}.toml"), &format!("repo = \"o/r{number}\"\n{scaling}{VM}"));
    }
    let address = free_address();
    let toml = cloud.daemon_toml().replace("127.0.0.1:0", &address.to_string());
    let [queue, health] = polls;
    cloud.write("azlin.toml", &toml.replace("\"1s\"", queue).replace("\"2s\"", health));
    let log = std::fs::File::create(cloud.log()).expect("a log file");
    let mut command = cloud.command(&["run"]);
    let daemon = command.env("AZLIN_WEBHOOK_SECRET", SECRET).stderr(log).spawn().expect("azlin starts");
    (address, DaemonProcess::of(daemon))
}
