//! No name, id or secret survives.

use proptest::prelude::*;

use super::*;
use crate::fixture::at;
use crate::model::Prices;

const SUBSCRIPTION: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

fn plan() -> RehearsalPlan {
    let text = format!(
        "repo = \"Acme/Rocket\"\nlabels = [\"forge\"]\n[vm]\nsubscription_id = \"{SUBSCRIPTION}\"\n\
         resource_group = \"rockets-ci\"\nlocation = \"westeurope\"\nsizes = [\"Standard_D4s_v5\"]\n\
         image = \"/subscriptions/{SUBSCRIPTION}/resourceGroups/images-rg/providers/Microsoft.Compute/images/golden\"\n\
         subnet_id = \"/subscriptions/{SUBSCRIPTION}/resourceGroups/net-rg/providers/Microsoft.Network/virtualNetworks/hub/subnets/runners-sn\"\n\
         admin_user = \"falcon\"\n[vm.tags]\ncostcentre = \"R-4711\"\n"
    );
    let pool = "engine-tests".parse().expect("a name");
    let fleet =
        Fleet::parse("engine-tests.toml", pool, &text).unwrap_or_else(|problems| panic!("{problems}"));
    RehearsalPlan::of(&fleet, &Prices::default(), at(0), 7).expect("a plan")
}

fn cleaner() -> Cleaner {
    Cleaner::of(&plan(), &["ghe.acme.example".to_owned()])
}

#[test]
fn names_go_and_azures_words_stay() {
    let runner = plan().runner;
    for (text, expected) in [
        ("409 ScopeLocked: PowerState/running", "409 ScopeLocked: PowerState/running"),
        (
            "api-version 2025-04-01, Standard_D4s_v5 in westeurope",
            "api-version 2025-04-01, Standard_D4s_v5 in westeurope",
        ),
        ("repo:acme/rocket", "repo:<owner>/<repository>"),
        ("ACME, rocket and rocketry", "<owner>, <repository> and rocketry"),
        ("in ROCKETS-CI.", "in <group>."),
        ("vnet hub, image golden, user falcon", "vnet <name>, image <name>, user <user>"),
        ("costcentre=R-4711", "<tag>=<value>"),
        ("the pool engine-tests", "the pool <pool>"),
        (&format!("{runner}_OsDisk_1_0123456789abcdef0123456789abcdef"), "<runner>_OsDisk_1_<hex>"),
        (&format!("{runner}-nic"), "<runner>-nic"),
        (
            &format!("GET /subscriptions/{SUBSCRIPTION}/resourceGroups/x/providers/y: 403"),
            "GET <resource id> 403",
        ),
        (
            "the client 'a@b.example' with object id '11111111-2222-3333-4444-555555555555'",
            "the client '<mail>' with object id '<id>'",
        ),
        ("https://ghe.acme.example/api/v3/x?y=z, ghe.acme.example", "<url>, <host>"),
        ("at 10.0.0.4 and fe80:0:0:1::4", "at <address> and <address>"),
        ("key ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB", "key <key>"),
        ("token ghp_0123456789abcdefABCDEF", "token [redacted]"),
        ("vault.azure.com", "<host>"),
    ] {
        assert_eq!(cleaner().clean(text), expected, "{text}");
    }
}

#[test]
fn a_name_that_is_a_placeholders_word_breaks_none() {
    let mut plan = plan();
    plan.fleet.vm.group.name = "runner".to_owned();
    let cleaner = Cleaner::of(&plan, &[]);
    assert_eq!(cleaner.clean(&format!("{} in runner", plan.runner)), "<runner> in <group>");
}

proptest! {
    #[test]
    fn no_id_of_the_input_survives(
        id in "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
        secret in "gh[pousr]_[A-Za-z0-9]{36}",
        jit in "eyJ[A-Za-z0-9]{60,90}",
        user in "[a-z]{3,9}@[a-z]{3,9}\\.example",
        group in "[A-Z][a-z]{6,12}Z",
        host in "[a-z]{5,9}\\.internal",
        is_upper: bool,
        before in "[ \"'(\\[,;=/:]",
        after in "[ \"')\\],;\\n]",
    ) {
        let mut plan = plan();
        plan.fleet.vm.group.name = group.clone();
        let cleaner = Cleaner::of(&plan, &[]);
        let runner = plan.runner.to_string();
        let names = [id.as_str(), &user, &group, &host, &runner, "Acme", "Rocket", SUBSCRIPTION, "net-rg", "R-4711"];
        for name in names {
            let shown = if is_upper { name.to_uppercase() } else { name.to_owned() };
            let text = cleaner.clean(&format!("word{before}{shown}{after}word"));
            prop_assert!(!text.to_lowercase().contains(&name.to_lowercase()), "{name}: {text}");
            prop_assert!(text.starts_with("word"), "{text}");
            let path = cleaner.clean(&format!("/subscriptions/{id}/resourceGroups/{shown}/providers/P/{shown}"));
            prop_assert!(!path.to_lowercase().contains(&name.to_lowercase()), "{name}: {path}");
        }
        for secret in [&secret, &jit] {
            let text = cleaner.clean(&format!("word{before}{secret}{after}word"));
            prop_assert!(!text.contains(secret.as_str()), "{text}");
        }
    }

    #[test]
    fn any_text_is_cleaned(text in "\\PC*") {
        let once = cleaner().clean(&text);
        prop_assert_eq!(cleaner().clean(&once), once);
    }
}
