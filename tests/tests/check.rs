//! `check` against the simulated cloud: its findings, its messages, and that it changes nothing.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use azlin_simcloud::Workload;
use azlin_simcloud::fault::Side;
use azlin_simcloud::openapi::Spec;
use azlin_tests::binary::{Cloud, VM};
use serde_json::Value;

fn cloud(workload: &str) -> Cloud {
    Cloud::new(&Workload::parse(&format!("repositories = ['o/r', 'o/other']\n{workload}")).unwrap())
}

/// Two fleets on one repository and one of an organisation.
fn three_fleets(cloud: &Cloud) {
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n{VM}"));
    cloud.write("fleets/gpu.toml", &format!("repo = \"o/r\"\nlabels = [\"gpu\"]\n{VM}spot = true\n"));
    cloud.write(
        "fleets/org.toml",
        &format!("org = \"o\"\nrunner_group = \"builders\"\n[scaling]\nmin_runners = 1\n{VM}"),
    );
}

/// The exit code and the output, without what differs between two runs.
fn told(cloud: &Cloud, output: &Output) -> String {
    let code = output.status.code().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    told_text(cloud, &format!("exit {code}\n{out}{err}"))
}

fn told_text(cloud: &Cloud, text: &str) -> String {
    let text = text.replace(cloud.config.path().to_str().unwrap(), "CONFIG");
    let text = text
        .replace(&cloud.served.github.to_string(), "GITHUB")
        .replace(&cloud.served.azure.to_string(), "AZURE");
    // Removes times and what is left of the budget.
    let word = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        let is_date = word.len() == 10 && word.matches('-').count() == 2 && digits == 8;
        let is_time = word.len() == 5 && word.matches(':').count() == 1 && digits == 4;
        if is_date {
            "DATE".to_owned()
        } else if is_time {
            "TIME".to_owned()
        } else {
            word.to_owned()
        }
    };
    let mut is_of_the_limit = false;
    let lines = text.lines().filter_map(|line| {
        // The rest of the rate limit depends on the time of day, and so does the number of lines.
        is_of_the_limit = match line.split(' ').nth(3) {
            Some("rate") => true,
            _ => is_of_the_limit && line.starts_with("    "),
        };
        let line = line.split(' ').map(word).collect::<Vec<_>>().join(" ");
        (!is_of_the_limit).then_some(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn check(cloud: &Cloud, arguments: &[&str]) -> Output {
    cloud.command(&[&["check"], arguments].concat()).output().unwrap()
}

#[test]
fn all_is_in_order() {
    let cloud = cloud("");
    three_fleets(&cloud);
    insta::assert_snapshot!(told(&cloud, &check(&cloud, &[])));
}

#[test]
fn the_repositories_of_an_organisation_and_a_further_region_are_looked_at() {
    let cloud = cloud("[premises]\ngithub_refuses = ['/repos/o/r/actions/runs']\n");
    let elsewhere = "[[vm.elsewhere]]\nlocation = \"northeurope\"\nsubnet_id = \"/subscriptions/0/resourceGroups/rg\
                     /providers/Microsoft.Network/virtualNetworks/v/subnets/north\"\n";
    cloud.write(
        "fleets/org.toml",
        &format!("org = \"o\"\nrepositories = [\"r\", \"oth*\", \"none*\"]\n{VM}{elsewhere}"),
    );
    insta::assert_snapshot!(told(&cloud, &check(&cloud, &[])));
}

#[test]
fn one_pool_alone_and_one_that_is_not_there() {
    let cloud = cloud("");
    three_fleets(&cloud);
    cloud.write("fleets/bad.toml", "repo = 1\n");
    let good = check(&cloud, &["--pool", "org"]);
    let bad = check(&cloud, &["--pool", "bad"]);
    let none = check(&cloud, &["--pool", "nobody"]);
    let tellings = [good, bad, none].map(|output| told(&cloud, &output));
    insta::assert_snapshot!(tellings.join("\n----\n"));
}

const BROKEN: &str = "[settings]\nvcpu_quota = 6\n[premises]\ntoken_ends = '5d'\nway_out = 'none'\nimage_plan = true\n\
    github_refuses = ['DELETE /repos/o/r/actions/runners', 'GET /actions/runs']\nsubscription_state = 'PastDue'\n\
    azure_denies = ['Microsoft.Network/virtualNetworks/subnets/join/action', 'Microsoft.Compute/virtualMachines/*']\n\
    absent = ['Standard_D4as_v5']\nsubnet_prefix = '10.0.0.0/29'\narchived = ['o/other']\n";

fn many_broken(cloud: &Cloud) {
    three_fleets(cloud);
    cloud.write("fleets/bad.toml", "repo = \"o/r\"\nlables = [\"x\"]\n");
    cloud.write("fleets/lost.toml", &format!("repo = \"o/lost\"\n{VM}"));
    cloud.write(
        "fleets/old.toml",
        &format!("repo = \"o/other\"\n[bootstrap]\nmethod = \"ssh\"\n{VM}public_ip = true\n"),
    );
    cloud.write(
        "fleets/away.toml",
        &format!(
            "org = \"o\"\nrunner_group = \"nobody\"\n{}ephemeral_os_disk = true\n",
            VM.replace("westeurope", "northeurope")
        ),
    );
}

#[test]
fn many_things_at_once_wide_and_narrow() {
    let cloud = cloud(BROKEN);
    many_broken(&cloud);
    let wide = told(&cloud, &check(&cloud, &[]));
    insta::assert_snapshot!(wide);
    let narrow = cloud.command(&["check"]).env("COLUMNS", "50").output().unwrap();
    let narrow = told(&cloud, &narrow);
    insta::assert_snapshot!("narrow", narrow);
    let is_of_a_file = |line: &str| line.contains("CONFIG") || line.starts_with("      help:");
    let is_one_word = |line: &str| line.trim_start_matches([' ', '→']).split(' ').count() == 1;
    let mut long = narrow.lines().filter(|line| line.chars().count() > 50 && !is_of_a_file(line));
    assert!(long.clone().count() > 0 && long.all(is_one_word), "{narrow}");
}

#[test]
fn without_any_credential_the_rest_is_looked_at_all_the_same() {
    let cloud = cloud("");
    three_fleets(&cloud);
    let mut command = cloud.command(&["check"]);
    command.env_remove("GITHUB_TOKEN").env_remove("IDENTITY_HEADER");
    let neither = told(&cloud, &command.output().unwrap());
    let wrong = format!("ghp_{}", "Ab3kQ9".repeat(6));
    let refused = cloud.command(&["check"]).env("GITHUB_TOKEN", &wrong).output().unwrap();
    let refused = told(&cloud, &refused);
    assert!(!refused.contains(&wrong));
    cloud.write("azlin.toml", "[github]\napi_url = \"http://api.github.com\"\n");
    cloud.write("fleets/bad.toml", "repo = 1\n");
    let astray = told(&cloud, &check(&cloud, &[]));
    insta::assert_snapshot!([neither, refused, astray].join("\n----\n"));
}

#[test]
fn a_key_for_ssh_is_looked_at() {
    let cloud = cloud("");
    let key = cloud.config.path().join("key");
    let made = std::process::Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    let bootstrap = format!("[bootstrap]\nmethod = \"ssh\"\nssh_private_key = \"{}\"\n", key.display());
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n{bootstrap}{VM}"));
    let good = told(&cloud, &check(&cloud, &[]));
    assert!(good.starts_with("exit 0") && good.contains("✓ SSH key: ssh-ed25519, from CONFIG/key"), "{good}");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let bad = told(&cloud, &check(&cloud, &[]));
    assert!(bad.starts_with("exit 1") && bad.contains("✗ SSH key: "), "{bad}");
}

#[test]
fn the_world_is_as_it_was_and_each_thing_was_asked_once() {
    let cloud = cloud("[settings]\ncreate = '1ms'\nboot = '1ms'\nregister = '1ms'\n");
    three_fleets(&cloud);
    cloud.served.record();
    let output = check(&cloud, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", told(&cloud, &output));
    let world = cloud.served.world();
    assert!(world.state.github.runners.is_empty() && world.state.azure.vms.is_empty());
    let mut removals = Vec::new();
    for ((side, method, route, status), (count, _)) in &world.statistics.requests {
        match (side, method.as_str()) {
            (Side::Github | Side::Azure, "GET") => {}
            (Side::Identity, _) => assert_eq!(*count, 1, "one sign-in"),
            (Side::Github, "DELETE") => removals.push((route.clone(), *status, *count)),
            _ => panic!("{method} {route} changes something"),
        }
        // Two scopes, one of them with a repository: no route is asked more than once for each.
        let most = if route.ends_with("/permissions") { 2 } else { 1 };
        let of_versions = if route.contains("/versions") { 2 } else { most };
        assert!(*count <= of_versions, "{method} {route} was asked {count} times");
    }
    let removal = |scope: &str| (format!("{scope}/actions/runners/{{runner_id}}"), 404, 1);
    assert_eq!(removals, [removal("/orgs/{org}"), removal("/repos/{owner}/{repo}")]);
    drop(world);
    let spec = Spec::load();
    let exchanges = cloud.served.recorded();
    let faults: Vec<String> = exchanges.iter().flat_map(|exchange| spec.check(exchange)).collect();
    assert!(exchanges.len() > 6 && faults.is_empty(), "{faults:#?}");
}

#[test]
fn its_json_is_what_the_schema_describes() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/schemas/check.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(docs).unwrap()).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for (workload, code) in [("", 0), (BROKEN, 1)] {
        let cloud = cloud(workload);
        if code == 0 {
            three_fleets(&cloud);
        } else {
            many_broken(&cloud);
        }
        let output = check(&cloud, &["--output", "json"]);
        assert_eq!(output.status.code(), Some(code));
        let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
        let wrong: Vec<String> = validator.iter_errors(&printed).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert_eq!(printed["counts"]["problem"].as_u64().unwrap() > 0, code == 1, "{printed:#}");
    }
}

/// The code block of a page after a heading.
fn block(page: &str, heading: &str) -> String {
    let after = page.split_once(heading).expect("the heading is in the page").1;
    after.split("```\n").nth(1).expect("a block follows").to_owned()
}

#[test]
fn the_page_shows_what_is_printed() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/how-to/check-before-you-run.md");
    let shown = block(&std::fs::read_to_string(page).unwrap(), "## What it prints");
    let workload = "repositories = ['myorg/shop']\n[settings]\nvcpu_quota = 24\n[premises]\ntoken_ends = '5d'\n\
        github_refuses = ['DELETE /actions/runners']\nway_out = 'none'\n\
        azure_denies = ['Microsoft.Network/virtualNetworks/subnets/join/action']\n";
    let cloud = Cloud::new(&Workload::parse(workload).unwrap());
    let vm = VM.replace("\"rg\"", "\"ci-runners\"").replace(", \"Standard_D4as_v5\"", "");
    let vm = vm.replace("/rg/", "/network/").replace("/v/subnets/s", "/ci/subnets/runners");
    cloud.write("fleets/ci-workers.toml", &format!("repo = \"myorg/shop\"\nlabels = [\"docker\"]\n{vm}"));
    let output = cloud.command(&["check"]).env("COLUMNS", "100").output().unwrap();
    assert_eq!(told_text(&cloud, &format!("exit 1\n{shown}")), told(&cloud, &output));
}

#[test]
fn the_roles_of_the_page_hold_what_is_looked_for() {
    use azlin_fleet::check::permissions::{
        FOR_CHECK, FOR_PUBLIC_IP, FOR_STANDBY, ON_GROUP, ON_IDENTITY, ON_IMAGE, ON_SECURITY_GROUP, ON_SUBNET,
        ON_SUBSCRIPTION, USEFUL_ON_GROUP,
    };
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/permissions.md");
    let page = std::fs::read_to_string(page).unwrap();
    let roles = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let actions: Vec<Vec<String>> = roles
        .map(|role| {
            let role: Value = serde_json::from_str(role).unwrap();
            let actions = role["Actions"].as_array().unwrap();
            actions.iter().map(|action| action.as_str().unwrap().to_owned()).collect()
        })
        .collect();
    let on_subscription = [ON_SUBSCRIPTION.as_slice(), &FOR_CHECK].concat();
    let on_group = [ON_GROUP.as_slice(), &USEFUL_ON_GROUP].concat();
    let joined = [ON_SUBNET.as_slice(), &ON_SECURITY_GROUP];
    assert_eq!(
        actions,
        [on_group.as_slice(), &FOR_PUBLIC_IP, &FOR_STANDBY, joined[0], joined[1], &on_subscription]
    );
    let elsewhere = [ON_IDENTITY.as_slice(), &ON_IMAGE].concat();
    assert!(elsewhere.iter().all(|action| page.contains(&format!("`{action}`"))));

    // With exactly these permissions, check misses nothing.
    let granted: Vec<&str> = actions.iter().flatten().map(String::as_str).chain(elsewhere).collect();
    let cloud = cloud(&format!("[premises]\nazure_grants = {granted:?}\n"));
    let of_compute = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Compute";
    let more = "public_ip = true\nidentity = [\"/subscriptions/0/resourceGroups/rg/providers/\
        Microsoft.ManagedIdentity/userAssignedIdentities/puller\"]\nnsg_id = \"/subscriptions/0/resourceGroups/rg/\
        providers/Microsoft.Network/networkSecurityGroups/ci\"\n";
    for (name, image) in [
        ("market", "Canonical:ubuntu-24_04-lts:server:latest".to_owned()),
        ("managed", format!("{of_compute}/images/ours")),
        ("gallery", format!("{of_compute}/galleries/g/images/i/versions/1.0.0")),
    ] {
        let vm = VM.replace("Canonical:ubuntu-24_04-lts:server:latest", &image);
        cloud.write(&format!("fleets/{name}.toml"), &format!("repo = \"o/r\"\n{vm}{more}"));
    }
    let output = check(&cloud, &["--output", "json"]);
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let counts = ["problem", "unknown"].map(|state| printed["counts"][state].as_u64().unwrap());
    assert_eq!(counts, [0, 0], "{printed:#}");
}

#[test]
fn an_azure_that_does_not_answer_is_one_problem() {
    let cloud = Cloud::new(&Workload { repositories: vec!["o/r".to_owned()], ..Workload::default() });
    cloud.write("fleets/ci.toml", &format!("repo = \"o/r\"\n{VM}"));
    let closed = azlin_tests::ports::free_address().to_string();
    cloud.write("azlin.toml", &cloud.daemon_toml().replace(&cloud.served.azure.to_string(), &closed));
    let output = cloud.command(&["check"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("✗ Azure Resource Manager") && said.contains("not looked at while it does not answer"),
        "{said}"
    );
}
