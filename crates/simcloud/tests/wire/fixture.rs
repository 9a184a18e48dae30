//! A served world with a clock that the test sets, and a plain client.
#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::Arc;
use std::time::Duration;

use azlin_simcloud::{IDENTITY_HEADER, Served, SimClock, Workload, World};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use parking_lot::Mutex;
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// The path of the VMs of group `g` in subscription `s`.
pub const VMS: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines";
const START: &str = "2026-03-01T12:00:00Z";
/// The version of the API that VMs are created with.
pub const VERSION: &str = "api-version=2025-04-01";
/// Settings with which VMs are online after 30 s.
const PACE: &str = "create = '10s'\nboot = '10s'\nregister = '10s'\ndelete = '30s'\n";

/// A served world and a client.
pub struct TestCloud {
    pub served: Served,
    pub token: String,
    clock: Arc<Mutex<Timestamp>>,
    http: Client,
}

/// A response that was read whole.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadResponse {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl ReadResponse {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("plain text"))
    }

    /// The address of the next page.
    pub fn next(&self) -> Option<String> {
        let link = self.header("link")?.split(", ").find(|link| link.ends_with("rel=\"next\""))?;
        Some(link.split_once('<')?.1.split_once('>')?.0.to_owned())
    }
}

impl TestCloud {
    /// A world with the repository `o/r`. `settings` are lines below `[settings]`, `more` follows them.
    pub async fn of(settings: &str, more: &str) -> TestCloud {
        // An error means that another test of this process was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let text = format!("repositories = ['o/r']\n[settings]\n{PACE}{settings}\n{more}");
        let workload = Workload::parse(&text).unwrap_or_else(|error| panic!("{error}"));
        let clock = Arc::new(Mutex::new(START.parse().unwrap()));
        let time = Arc::clone(&clock);
        TestCloud::with(&workload, clock, Arc::new(move || *time.lock())).await
    }

    /// A world whose time passes by itself.
    pub async fn live(workload: &Workload) -> TestCloud {
        let _ = rustls::crypto::ring::default_provider().install_default();
        TestCloud::with(workload, Arc::new(Mutex::new(Timestamp::now())), Arc::new(Timestamp::now)).await
    }

    async fn with(workload: &Workload, clock: Arc<Mutex<Timestamp>>, time: SimClock) -> TestCloud {
        let world = World::new(workload, time());
        let token = world.settings.token.clone();
        let served = Served::start(world, time).await.unwrap();
        TestCloud { served, token, clock, http: Client::builder().no_proxy().build().unwrap() }
    }

    /// Reads text from an address, without any header.
    pub async fn text(&self, url: &str) -> (u16, String) {
        let response = self.http.get(url).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    pub async fn start() -> TestCloud {
        TestCloud::of("", "").await
    }

    /// Sets the clock forward.
    pub fn pass(&self, seconds: u64) {
        let now = {
            let mut clock = self.clock.lock();
            *clock += Duration::from_secs(seconds);
            *clock
        };
        self.served.world().advance(now);
    }

    /// A call to any address, with any headers.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Result<ReadResponse, reqwest::Error> {
        let mut request = self.http.request(method, url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = response.bytes().await?;
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Ok(ReadResponse { status, headers, body })
    }

    /// A call to GitHub with its token. `target` is a path, or a whole address from a link.
    pub async fn github(&self, method: Method, target: &str, body: Option<Value>) -> ReadResponse {
        self.try_github(method, target, body).await.unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    pub async fn try_github(
        &self,
        method: Method,
        target: &str,
        body: Option<Value>,
    ) -> Result<ReadResponse, reqwest::Error> {
        let url = match target.strip_prefix('/') {
            Some(path) => format!("http://{}/{path}", self.served.github),
            None => target.to_owned(),
        };
        self.call(method, &url, &[("authorization", &format!("Bearer {}", self.token))], body).await
    }

    pub async fn get(&self, target: &str) -> ReadResponse {
        self.github(Method::GET, target, None).await
    }

    pub async fn post(&self, target: &str, body: Option<Value>) -> ReadResponse {
        self.github(Method::POST, target, body).await
    }

    pub async fn delete(&self, target: &str) -> ReadResponse {
        self.github(Method::DELETE, target, None).await
    }

    /// A call to Azure, with a fresh token. A PUT without a version gets one.
    pub async fn azure(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> ReadResponse {
        let bearer = format!("Bearer {}", self.served.world().issue_token().0);
        let headers = [&[("authorization", bearer.as_str())], headers].concat();
        let version = if method == Method::PUT && !target.contains("api-version") { VERSION } else { "" };
        let version = if version.is_empty() { String::new() } else { format!("?{version}") };
        let url = if target.starts_with('/') {
            format!("http://{}{target}{version}", self.served.azure)
        } else {
            target.to_owned()
        };
        self.call(method, &url, &headers, body).await.unwrap_or_else(|error| panic!("{target}: {error}"))
    }

    /// The identity endpoint's answer to this header.
    pub async fn identity(&self, header: Option<&str>) -> ReadResponse {
        let url = format!(
            "{}?resource=https://management.azure.com&api-version=2019-08-01",
            self.served.identity_endpoint()
        );
        let headers: Vec<_> = header.iter().map(|value| ("x-identity-header", *value)).collect();
        self.call(Method::GET, &url, &headers, None).await.unwrap()
    }

    /// The identity endpoint's answer to the right header.
    pub async fn signed_in(&self) -> ReadResponse {
        self.identity(Some(IDENTITY_HEADER)).await
    }

    /// Creates a VM that becomes a runner of `prefix` with the label `docker`. Returns the runner's id.
    pub async fn vm(&self, prefix: &str, name: &str) -> u64 {
        let made = self.post(&format!("{prefix}/actions/runners/generate-jitconfig"), Some(jit(name))).await;
        let blob = made.body["encoded_jit_config"].as_str().unwrap();
        let put = self.azure(Method::PUT, &format!("{VMS}/{name}"), &[], Some(vm_body(name, blob))).await;
        assert_eq!(put.status, 201, "{put:?}");
        made.body["runner"]["id"].as_u64().unwrap()
    }

    /// Creates a run of this many jobs, each of 100 s.
    pub fn submit(&self, jobs: usize) {
        let labels = || vec!["self-hosted".to_owned(), "docker".to_owned()];
        let jobs = (0..jobs).map(|_| (labels(), Duration::from_secs(100))).collect();
        self.served.world().submit("o/r", jobs, Vec::new());
    }
}

/// The request for a runner.
pub fn jit(name: &str) -> Value {
    json!({"name": name, "runner_group_id": 1, "labels": ["self-hosted", "docker"], "work_folder": "_work"})
}

/// The request for a VM that leaves nothing behind.
pub fn vm_body(name: &str, custom_data: &str) -> Value {
    json!({"location": "westeurope", "tags": {"azlin-pool": "ci"}, "properties": {
        "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
        "osProfile": {"computerName": "x", "customData": STANDARD.encode(custom_data)},
        "storageProfile": {"osDisk": {"createOption": "FromImage", "deleteOption": "Delete"}},
        "networkProfile": {"networkApiVersion": "2022-11-01", "networkInterfaceConfigurations": [{
            "name": format!("{name}-nic"),
            "properties": {"deleteOption": "Delete", "ipConfigurations": [
                {"name": "ip", "properties": {"subnet": {"id": "/subnet"}}},
            ]},
        }]},
    }})
}
