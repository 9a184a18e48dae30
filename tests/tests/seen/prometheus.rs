//! A real Prometheus reads `/metrics`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use azlin_tests::SOON;
use azlin_tests::deliveries::get;
use azlin_tests::ports::free_address;
use serde_json::Value;

use crate::watched::{cloud, daemon, fleet, submit};

/// Prometheus. It ends when this is dropped.
struct Prometheus {
    process: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

/// The folder of the unpacked Debian package.
fn program(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/tools/prometheus/usr/bin").join(name)
}

impl Prometheus {
    fn scraping(target: SocketAddr) -> Self {
        let (folder, address) = (tempfile::tempdir().unwrap(), free_address());
        let rules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../monitoring/azlin.rules.yml");
        let config = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [\"{}\"]\nscrape_configs:\n  - job_name: azlin\n    \
             static_configs:\n      - targets: [\"{target}\"]\n",
            rules.canonicalize().unwrap().display()
        );
        std::fs::write(folder.path().join("prometheus.yml"), config).unwrap();
        let mut command = Command::new(program("prometheus"));
        command.current_dir(folder.path()).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.arg(format!("--web.listen-address={address}")).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| panic!("cargo xtask rules unpacks it: {error}"));
        Prometheus { process, address, _folder: folder }
    }

    fn api(&self, path: &str) -> Option<Value> {
        let (status, body) = get(self.address, path).ok()?;
        let body = if body.starts_with('{') {
            body
        } else {
            body.lines().find(|line| line.starts_with('{'))?.to_owned()
        };
        (status == 200).then(|| serde_json::from_str(&body).ok())?
    }

    /// Waits until an expression has a wanted value.
    fn wait(&self, expression: &str, is_it: impl Fn(f64) -> bool) {
        let began = Instant::now();
        let query: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        loop {
            let answer = self.api(&format!("/api/v1/query?query={query}"));
            let value = answer
                .as_ref()
                .and_then(|answer| answer["data"]["result"][0]["value"][1].as_str()?.parse().ok());
            if value.is_some_and(&is_it) {
                return;
            }
            assert!(began.elapsed() < SOON, "{expression}: {answer:?}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_scrapes_them_and_its_tool_finds_no_fault() {
    let (cloud, address) = cloud();
    fleet(&cloud, "ci", 1);
    let running = daemon(&cloud, address);
    let prometheus = Prometheus::scraping(address);
    prometheus.wait("up{job=\"azlin\"}", |up| up == 1.0);
    submit(&cloud, "ci", 2, 600);
    prometheus.wait("azlin_runners{fleet=\"ci\",phase=\"active\"}", |count| count == 2.0);
    prometheus.wait("azlin_job_wait_duration_seconds_count", |count| count == 2.0);
    prometheus.wait("sum(azlin_boot_step_duration_seconds_count{step=\"runner\"})", |count| count >= 2.0);
    prometheus.wait("sum(azlin_cost_dollars_total{fleet=\"ci\"})", |dollars| dollars > 0.0);
    prometheus.wait("azlin_api_requests_total{api=\"github\",outcome=\"ok\"}", |count| count > 3.0);
    // Prometheus knows the type and the help text of each metric.
    let told = prometheus.api("/api/v1/metadata").unwrap();
    for (metric, kind) in
        [("azlin_ticks", "counter"), ("azlin_boot_duration_seconds", "histogram"), ("azlin_runners", "gauge")]
    {
        assert_eq!(told["data"][metric][0]["type"], kind, "{metric}");
    }
    let targets = prometheus.api("/api/v1/targets").unwrap();
    assert_eq!(targets["data"]["activeTargets"][0]["lastError"], "");

    // Every expression of the dashboard is valid.
    let dashboard: Value =
        serde_json::from_str(include_str!("../../../monitoring/grafana-dashboard.json")).unwrap();
    for target in
        dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap())
    {
        let expression = target["expr"].as_str().unwrap().replace("$fleet", ".*");
        let query: String = expression.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let answer = prometheus.api(&format!("/api/v1/query?query={query}"));
        assert!(answer.is_some_and(|answer| answer["status"] == "success"), "{expression}");
    }

    // The alert for a daemon that does not answer becomes pending at once.
    running.kill();
    let is_pending = |prometheus: &Prometheus| {
        let alerts = prometheus.api("/api/v1/alerts")?;
        let alerts = alerts["data"]["alerts"].as_array()?.clone();
        Some(
            alerts
                .iter()
                .any(|alert| alert["labels"]["alertname"] == "AzlinDown" && alert["state"] == "pending"),
        )
    };
    let began = Instant::now();
    while is_pending(&prometheus) != Some(true) {
        assert!(began.elapsed() < SOON, "{:?}", prometheus.api("/api/v1/alerts"));
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// `promtool check metrics` checks names and units against the conventions.
#[test]
fn the_names_are_as_they_should_be() {
    use std::io::Write;
    let (cloud, address) = cloud();
    fleet(&cloud, "ci", 1);
    let _running = daemon(&cloud, address);
    let (_, metrics) = get(address, "/metrics").unwrap();
    // It reads the older text format, in which a counter's type line has the full name.
    let mut counter = String::new();
    let lines = metrics.lines().filter(|line| !line.starts_with("# EOF") && !line.starts_with("# UNIT"));
    let older: Vec<String> = lines
        .map(|line| {
            if let Some(name) = line.strip_prefix("# TYPE ").and_then(|line| line.strip_suffix(" counter")) {
                name.clone_into(&mut counter);
            }
            line.to_owned()
        })
        .collect();
    let counters: Vec<&str> =
        metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let renamed = |line: String| {
        let Some(rest) = line.strip_prefix("# ") else { return line };
        let mut words = rest.splitn(3, ' ');
        let (Some(what), Some(name), Some(more)) = (words.next(), words.next(), words.next()) else {
            return line;
        };
        let name = if counters.contains(&name) { format!("{name}_total") } else { name.to_owned() };
        format!("# {what} {name} {}", (if more == "info" { "gauge" } else { more }).trim_end_matches('.'))
    };
    let text: String = older.into_iter().map(|line| renamed(line) + "\n").collect();
    let text = text
        .replace("# HELP azlin_build ", "# HELP azlin_build_info ")
        .replace("# TYPE azlin_build gauge", "# TYPE azlin_build_info gauge");
    let mut tool = Command::new(program("promtool"));
    tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tool = tool.spawn().unwrap();
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.trim().is_empty(), "{said}\n{text}");
}
