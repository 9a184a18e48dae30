//! Chromium, driven by WebDriver.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use azlin_tests::ports::free_address;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// How the browser shows pages: light, dark, or on a phone.
#[derive(Clone, Copy)]
pub enum Appearance {
    Light,
    Dark,
    /// A phone of this width.
    Phone(u32),
}

/// How often a start is tried: another program may take the port, and Chromium may fail to start on a busy
/// machine.
const TRIES: u32 = 5;

/// chromedriver. Dropping it kills it and the browsers that it started.
struct Driver {
    process: Child,
    address: SocketAddr,
}

impl Driver {
    /// Starts chromedriver on a port of our choice. With `--port=0`, it takes a free IPv4 port and then needs
    /// the same port on IPv6, where it may be in use.
    fn start() -> Self {
        let mut said = String::new();
        for _ in 0..TRIES {
            match Self::try_start() {
                Ok(driver) => return driver,
                Err(why) => said += &why,
            }
        }
        panic!("chromedriver did not start in {TRIES} tries:\n{said}")
    }

    /// The output of a failed start.
    fn try_start() -> Result<Self, String> {
        let address = free_address();
        let mut process = Command::new("chromedriver")
            .arg(format!("--port={}", address.port()))
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let driver = Driver { process, address };
        for line in lines.map_while(Result::ok) {
            if line.contains("started successfully on port ") {
                return Ok(driver);
            }
            said += &format!("{line}\n");
        }
        Err(said)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Its browsers are in its process group.
        let group = format!("-{}", self.process.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.process.wait();
    }
}

/// A browser with one page. It ends when this is dropped.
pub struct Browser {
    _driver: Driver,
    client: reqwest::Client,
    /// The address where the driver accepts commands for this browser.
    session: String,
}

impl Browser {
    pub async fn open(look: Appearance, url: &str) -> Self {
        // The process may already have a provider, which works too.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut arguments =
            vec!["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en-GB"];
        if let Appearance::Dark = look {
            arguments.push("--force-dark-mode");
        }
        let mut options = json!({ "args": arguments });
        if let Appearance::Phone(width) = look {
            options["mobileEmulation"] =
                json!({ "deviceMetrics": { "width": width, "height": 844, "pixelRatio": 2.0 } });
        }
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let (driver, session) = Self::session(&client, &wanted).await;
        let browser = Browser { _driver: driver, client, session };
        if !matches!(look, Appearance::Phone(_)) {
            browser.command("/window/rect", &json!({ "width": 1280, "height": 1000 })).await;
        }
        browser.command("/url", &json!({ "url": url })).await;
        let noted = "window.faults = []; addEventListener('error', (e) => faults.push(String(e.message))); \
                     addEventListener('unhandledrejection', (e) => faults.push(String(e.reason))); \
                     document.addEventListener('securitypolicyviolation', (e) => faults.push(e.violatedDirective));";
        browser.run(noted).await;
        browser
    }

    /// A driver with a browser, and the address of its session.
    async fn session(client: &reqwest::Client, wanted: &Value) -> (Driver, String) {
        let mut said = Vec::new();
        for _ in 0..TRIES {
            let driver = Driver::start();
            let sessions = format!("http://{}/session", driver.address);
            let answer: Value =
                client.post(&sessions).json(wanted).send().await.unwrap().json().await.unwrap();
            if let Some(id) = answer["value"]["sessionId"].as_str() {
                return (driver, format!("{sessions}/{id}"));
            }
            // Only this error means that the browser did not start. Any other is the test's own.
            assert_eq!(answer["value"]["error"], "session not created", "{answer:#}");
            said.push(answer.to_string());
        }
        panic!("Chromium did not start in {TRIES} tries:\n{}", said.join("\n"))
    }

    /// Sends a WebDriver command. Returns its value.
    async fn command(&self, path: &str, body: &Value) -> Value {
        let sent = self.client.post(format!("{}{path}", self.session)).json(body).send();
        let answer: Value = sent.await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path} {body}: {answer:#}");
        answer["value"].clone()
    }

    async fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// The value of a script.
    pub async fn get(&self, script: &str) -> Value {
        self.run(&format!("return ({script});")).await
    }

    /// All text that the page shows.
    pub async fn text(&self) -> String {
        self.get("document.body.innerText").await.as_str().unwrap().to_owned()
    }

    /// Waits until a script returns true.
    pub async fn wait(&self, script: &str, most: Duration) {
        let began = Instant::now();
        while self.get(script).await != json!(true) {
            assert!(began.elapsed() < most, "{script} is not so; the page:\n{}", self.text().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Saves a screenshot: target/seen/<name>.png.
    pub async fn picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/seen");
        std::fs::create_dir_all(&folder).unwrap();
        let answer: Value = self
            .client
            .get(format!("{}/screenshot", self.session))
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let picture = BASE64.decode(answer["value"].as_str().unwrap()).unwrap();
        std::fs::write(folder.join(format!("{name}.png")), picture).unwrap();
    }

    /// Asserts that the browser reported no error.
    pub async fn end(self) {
        assert_eq!(self.get("window.faults").await, json!([]));
        self.client.delete(&self.session).send().await.unwrap();
    }
}
