//! How many VMs are on standby, and where there can be none.

use crate::config::{Fleet, Problems};

fn read(top: &str, vm: &str) -> Result<Fleet, Problems> {
    let text = format!(
        "repo = 'o/r'\n{top}\n[vm]\nsubscription_id = '00000000-0000-0000-0000-000000000000'\nresource_group = 'rg'\n\
         location = 'westeurope'\nsizes = ['Standard_D4s_v5']\nimage = 'a:b:c:d'\nsubnet_id = '/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s'\n{vm}\n"
    );
    Fleet::parse("ci.toml", "ci".parse().expect("valid"), &text)
}

const HOURS: &str = "[[hours]]\nfrom = '08:00'\nto = '18:00'\ntime_zone = 'UTC'";

#[test]
fn hours_may_have_another_number() {
    let fleet = read(&format!("[warm]\nstandby = 1\n{HOURS}\nstandby = 4"), "").expect("valid");
    assert_eq!((fleet.warm.standby, fleet.own_limits.standby), (1, 1));
    assert_eq!(fleet.hours[0].limits.standby, 4);
    assert_eq!(fleet.hours[0].limits.to_string(), "0 to 10 runners, 4 on standby");
    let same = read(&format!("[warm]\nstandby = 2\n{HOURS}\nmin_runners = 1"), "").expect("valid");
    assert_eq!(same.hours[0].limits.standby, 2, "what the hours do not name is the fleet's own");
    assert_eq!(read("", "").expect("valid").warm.standby, 0);
}

#[test]
fn what_cannot_be_deallocated_or_told_later_is_said() {
    let ssh = "[bootstrap]\nmethod = 'ssh'";
    let disk = "ephemeral_os_disk = true";
    let warm = "[warm]\nstandby = 2";
    for (top, vm, expected) in [
        (format!("{warm}\n{ssh}"), "", "warm.standby: found 2; allowed with bootstrap.method = \"ssh\": 0"),
        (format!("{HOURS}\nstandby = 2\n{ssh}"), "", "hours.standby: found 2; allowed with"),
        (warm.to_owned(), disk, "standby: VMs with vm.ephemeral_os_disk cannot be on standby"),
        (
            format!("{HOURS}\nstandby = 2"),
            disk,
            "standby: VMs with vm.ephemeral_os_disk cannot be on standby",
        ),
        (
            "[warm]\nstandby = 10001".to_owned(),
            "",
            "warm.standby: found the number 10001; allowed: a whole number",
        ),
    ] {
        let said = read(&top, vm).expect_err("a problem").to_string();
        assert!(said.contains(expected), "{top}\n{said}");
    }
    let (none, without) = ("[warm]\nstandby = 0", read(ssh, "").expect("valid"));
    assert!(read(&format!("{none}\n{ssh}"), "").is_ok() && read(none, disk).is_ok());
    assert_eq!(without.warm.standby, 0);
}
