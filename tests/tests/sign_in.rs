//! The ways to sign in to GitHub and Azure with the real daemon: by name and HTTPS, through a proxy, with
//! private certificates, and as an app whose tokens expire.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use azlin_simcloud::{APP_ID, APP_PRIVATE_KEY, INSTALLATION_ID, Workload, World};
use azlin_tests::SOON;
use azlin_tests::binary::{Cloud, DaemonProcess, VM};
use parking_lot::Mutex;

const QUICK: &str = "create = '500ms'\nboot = '500ms'\nregister = '200ms'\ndelete = '500ms'\n";

fn cloud(settings: &str) -> Cloud {
    let workload = format!(
        "repositories = ['o/r']\n[settings]\n{QUICK}{settings}[[arrivals]]\nat = '1s'\nrepo = 'o/r'\n\
         labels = ['self-hosted']\nduration = '1s'\n"
    );
    let cloud = Cloud::new(&Workload::parse(&workload).unwrap());
    cloud.write(
        "fleets/ci.toml",
        &format!(
            "repo = \"o/r\"\n[scaling]\njobs_per_runner = 1\nscale_up_threshold = 0\ncooldown = \"0s\"\n{VM}"
        ),
    );
    cloud
}

fn is_served(world: &mut World) -> bool {
    let report = world.report();
    report.jobs_completed >= 1 && report.vms_left == 0
}

/// A proxy on loopback that resolves only `*.test`, to this machine. Also returns the requested targets.
fn proxy() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&asked);
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let told = Arc::clone(&told);
            std::thread::spawn(move || tunnel(client, &told));
        }
    });
    (format!("http://{address}"), asked)
}

/// `CONNECT github.test:1234`: copies both directions afterwards.
fn tunnel(mut client: TcpStream, told: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && client.read_exact(&mut byte).is_ok() {
        head.extend(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let port = target.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    let is_known = head.starts_with("CONNECT ") && target.contains(".test:");
    told.lock().push(target);
    let server = port.filter(|_| is_known).and_then(|port| TcpStream::connect(("127.0.0.1", port)).ok());
    let Some(mut server) = server else {
        let _ = client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
        return;
    };
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
    let (mut back, mut there) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut back, &mut there);
        let _ = there.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut client, &mut server);
    let _ = server.shutdown(Shutdown::Both);
}

#[test]
fn by_https_through_a_proxy_with_a_ca_of_ones_own() {
    let cloud = cloud("");
    let web = cloud.web();
    let (proxy, asked) = proxy();
    let toml = cloud.daemon_toml();
    let toml = toml.replace(&format!("http://{}", cloud.served.github), &web.github());
    let toml = toml.replace(&format!("http://{}", cloud.served.azure), &web.azure());
    let ca = cloud.config.path().join("ca.pem");
    cloud.write("ca.pem", &web.certificate);
    let run = |arguments: &[&str]| {
        let mut command = cloud.command(arguments);
        command.env("HTTPS_PROXY", &proxy).stdin(Stdio::null());
        command
    };
    // Without the certificate nothing is sent, and the error names the cause.
    cloud.write("azlin.toml", &toml);
    let output = run(&["run", "--once"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("ertificate"), "{said}");
    assert_eq!(cloud.served.world().report().github_requests, 0);
    cloud.write("azlin.toml", &format!("{toml}[tls]\nca_file = \"{}\"\n", ca.display()));
    let log = std::fs::File::create(cloud.log()).unwrap();
    let _daemon = DaemonProcess::of(run(&["run"]).stderr(log).stdout(Stdio::null()).spawn().unwrap());
    assert!(cloud.wait(SOON, is_served), "{}", cloud.logged());
    let asked = asked.lock();
    for name in ["github.test:", "azure.test:"] {
        assert!(asked.iter().any(|target| target.starts_with(name)), "{asked:?}");
    }
    // The identity endpoint is on this machine, and never requested through a proxy.
    assert!(asked.iter().all(|target| target.contains(".test:")), "{asked:?}");
}

#[test]
fn a_bad_ca_file_is_reported_with_its_key() {
    let cloud = cloud("");
    let ca = cloud.config.path().join("ca.pem");
    cloud.write("azlin.toml", &format!("{}[tls]\nca_file = \"{}\"\n", cloud.daemon_toml(), ca.display()));
    for (text, says) in [(None, "cannot be read"), (Some("nothing"), "holds no certificate")] {
        if let Some(text) = text {
            cloud.write("ca.pem", text);
        }
        let output = cloud.command(&["run", "--once"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says) && said.contains("[tls] ca_file"), "{said}");
    }
}

#[test]
fn as_an_app_whose_tokens_end_while_it_runs() {
    let cloud = cloud("app_token_life = '4s'\n");
    cloud.write("app.pem", APP_PRIVATE_KEY);
    let key = cloud.config.path().join("app.pem");
    let github = format!(
        "[github]\napp_id = {APP_ID}\ninstallation_id = {INSTALLATION_ID}\napp_private_key = \"{}\"\n",
        key.display()
    );
    cloud.write("azlin.toml", &cloud.daemon_toml().replace("[github]\n", &github));
    let output = cloud.command(&["run", "--once"]).env_remove("GITHUB_TOKEN").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("may be read by others") && said.contains("chmod 600"), "{said}");
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let log = std::fs::File::create(cloud.log()).unwrap();
    let mut command = cloud.command(&["run"]);
    let command = command.env_remove("GITHUB_TOKEN").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let _daemon = DaemonProcess::of(command.spawn().unwrap());
    assert!(cloud.wait(SOON, is_served), "{}", cloud.logged());
    std::thread::sleep(Duration::from_secs(9));
    // Another job, after two more tokens.
    cloud.served.world().submit(
        "o/r",
        vec![(vec!["self-hosted".to_owned()], Duration::from_secs(1))],
        Vec::new(),
    );
    assert!(cloud.wait(SOON, |world| world.report().jobs_completed >= 2), "{}", cloud.logged());
    let log = cloud.logged();
    assert!(!log.contains(": error: ") && !log.contains("ghs_"), "{log}");
}

#[test]
fn a_token_that_expires_is_reported_once_and_shown() {
    let workload = format!("repositories = ['o/r']\n[settings]\n{QUICK}[premises]\ntoken_ends = '119h'\n");
    let cloud = Cloud::new(&Workload::parse(&workload).unwrap());
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n{VM}"));
    cloud.write("fleets/more.toml", &format!("repo = \"o/r\"\n{VM}"));
    let _daemon = cloud.daemon();
    let status = || {
        let output = cloud.command(&["status", "--output", "json"]).output().unwrap();
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap_or_default()
    };
    let is_told = || {
        let shown = status();
        let errors = shown["fleets"][1]["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().any(|error| {
            error["about"] == "credential" && error["what"].as_str().unwrap().contains("ends in 4 days")
        })
    };
    let began = Instant::now();
    while !is_told() {
        assert!(began.elapsed() < SOON, "{}", status());
        std::thread::sleep(Duration::from_millis(100));
    }
    azlin_tests::schema::assert_documented("status", &status());
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(cloud.logged().matches("WARN the token").count(), 1, "{}", cloud.logged());
}
