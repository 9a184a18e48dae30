//! What holds of findings together, and what is found on this machine.

use super::scene::*;
use super::*;

#[test]
fn what_is_in_order_is_told_as_such() {
    for (top, vm) in [
        ("repo = \"o/r\"", ""),
        ("repo = \"o/r\"", "public_ip = true\nzones = [\"1\", \"3\"]\nspot = true"),
        ("org = \"o\"\nrunner_group = \"default\"\n[bootstrap]\nmethod = \"ssh\"", ""),
    ] {
        let fleet = fleet(top, vm);
        let facts = account(&fleet);
        assert_eq!(told(std::slice::from_ref(&fleet), &facts), IN_ORDER, "{top} {vm}");
    }
    let findings =
        check(&[], &Facts { github: None, azure: None, ..account(&fleet("repo = \"o/r\"", "")) }, now());
    assert_eq!(findings.len(), 3);
    assert_eq!((findings[0].state, findings[0].what.as_str()), (State::Warning, "fleets"));
}

#[test]
fn a_key_that_cannot_be_used_and_one_that_only_the_service_has() {
    let fleet = fleet("repo = \"o/r\"\n[bootstrap]\nmethod = \"ssh\"", "");
    let keyed = |key| Facts { ssh_keys: [(fleet.name.clone(), key)].into(), ..account(&fleet) };
    let open = Err("the private key /k may be read by others (mode 0644): chmod 600 /k".to_owned());
    let fleets = std::slice::from_ref(&fleet);
    assert_eq!(
        told(fleets, &keyed(open)),
        ["Problem SSH key: the private key /k may be read by others (mode 0644)"]
    );
    assert!(told(fleets, &keyed(Ok(None)))[0].starts_with("Unknown SSH key: the systemd credential"));
}

#[test]
fn a_bad_file_is_told_as_it_is() {
    let fleet = fleet("repo = \"o/r\"", "");
    let bad =
        Facts { bad_files: vec![("bad.toml".to_owned(), "bad.toml:1:1: no".to_owned())], ..account(&fleet) };
    assert_eq!(told(&[fleet], &bad), ["Problem bad.toml: bad.toml:1:1: no"]);
}
