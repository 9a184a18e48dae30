//! Chromium, driven by WebDriver.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// How it shows pages.
#[derive(Clone, Copy)]
pub enum Look {
    Light,
    Dark,
    /// A phone of this width.
    Phone(u32),
}

/// A browser with one page; it ends when this is dropped.
pub struct Browser {
    driver: Child,
    client: reqwest::Client,
    /// Where the driver takes commands for it.
    session: String,
}

impl Browser {
    pub async fn open(look: Look, url: &str) -> Self {
        // The process may have one already, which will do as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, rest) = line.split_once("started successfully on port ")?;
            Some(rest.trim_end_matches('.').to_owned())
        });
        let mut arguments =
            vec!["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--lang=en-GB"];
        if let Look::Dark = look {
            arguments.push("--force-dark-mode");
        }
        let mut options = json!({ "args": arguments });
        if let Look::Phone(width) = look {
            options["mobileEmulation"] =
                json!({ "deviceMetrics": { "width": width, "height": 844, "pixelRatio": 2.0 } });
        }
        let capabilities = json!({ "browserName": "chrome", "goog:chromeOptions": options });
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build().unwrap();
        let sessions = format!("http://127.0.0.1:{}/session", port.unwrap());
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let mut browser = Browser { driver, client, session: sessions.clone() };
        let session = browser.command("", &wanted).await;
        browser.session = format!("{sessions}/{}", session["sessionId"].as_str().unwrap());
        if !matches!(look, Look::Phone(_)) {
            browser.command("/window/rect", &json!({ "width": 1280, "height": 1000 })).await;
        }
        browser.command("/url", &json!({ "url": url })).await;
        let noted = "window.faults = []; addEventListener('error', (e) => faults.push(String(e.message))); \
                     addEventListener('unhandledrejection', (e) => faults.push(String(e.reason))); \
                     document.addEventListener('securitypolicyviolation', (e) => faults.push(e.violatedDirective));";
        browser.run(noted).await;
        browser
    }

    /// A command of WebDriver; what it gives.
    async fn command(&self, path: &str, body: &Value) -> Value {
        let sent = self.client.post(format!("{}{path}", self.session)).json(body).send();
        let answer: Value = sent.await.unwrap().json().await.unwrap();
        assert!(answer["value"]["error"].is_null(), "{path} {body}: {answer:#}");
        answer["value"].clone()
    }

    async fn run(&self, script: &str) -> Value {
        self.command("/execute/sync", &json!({ "script": script, "args": [] })).await
    }

    /// What a script gives.
    pub async fn get(&self, script: &str) -> Value {
        self.run(&format!("return ({script});")).await
    }

    /// All that is to be read.
    pub async fn text(&self) -> String {
        self.get("document.body.innerText").await.as_str().unwrap().to_owned()
    }

    /// Waits until a script gives true.
    pub async fn wait(&self, script: &str, most: Duration) {
        let began = Instant::now();
        while self.get(script).await != json!(true) {
            assert!(began.elapsed() < most, "{script} is not so; the page:\n{}", self.text().await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Keeps a picture of it, for whoever wants to look: target/seen/<name>.png.
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

    /// Nothing has gone wrong in it.
    pub async fn end(self) {
        assert_eq!(self.get("window.faults").await, json!([]));
        self.client.delete(&self.session).send().await.unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // With the browser that it has begun, which is of its process group.
        let group = format!("-{}", self.driver.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.driver.wait();
    }
}
