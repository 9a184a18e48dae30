use azlin_tests::admin_host::{AdminHost, UNIT};

#[test]
#[ignore]
fn hold() {
    let host = AdminHost::boot("", "");
    host.install();
    host.configure();
    let more = format!("{}GITHUB_TOKEN={}\n", host.environment(), host.token());
    host.write("/etc/azlin/environment", &more);
    host.run(&format!("systemctl start {UNIT}"));
    std::fs::write("/tmp/hS/hold", format!("{}", host.path("/").display())).unwrap();
    let jobs = host.submit(3, 1);
    host.wait_for_jobs(&jobs);
    while std::path::Path::new("/tmp/hS/hold").exists() {
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
