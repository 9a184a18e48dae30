//! VMs that a fleet knows by their names alone, since they have lost our tags.

use crate::config::Fleet;
use crate::model::{ProvisioningState, RunnerName, UntaggedVm, Vm, VmTags};

/// The VM as one of the fleet's, if its name is the fleet's: the name has a check that no other name has by chance in
/// 1,023 of 1,024 cases, on top of its form, and the VM is in a resource group of the fleet.
///
/// What only tags tell is taken from the fleet, so nothing that they would have told makes a reason to replace the VM.
pub fn by_name(fleet: &Fleet, vm: &UntaggedVm) -> Option<Vm> {
    let runner_name = RunnerName::of_pool(&fleet.name, &vm.name.to_ascii_lowercase())?;
    let tags = VmTags {
        pool: fleet.name.clone(),
        github: fleet.github.clone().into(),
        scope: fleet.scope.clone(),
        created_at: runner_name.created_at(),
        config_hash: fleet.config_hash().into(),
        runner_id: None,
        replaces: None,
        host_key: vm.tags.host_key.clone(),
        standby: None,
        runner_name,
    };
    let mut vm = vm.clone().with_tags(|_| tags);
    if vm.provisioning == ProvisioningState::Failed {
        vm.provisioning = ProvisioningState::of_failed(None);
    }
    Some(vm)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Entry, Scene, at};
    use crate::model::{ForeignText, PowerState, TagsLeft};

    /// The scene's last VM without its tags.
    fn untagged(scene: &Scene) -> UntaggedVm {
        let vm = scene.seen.vms.as_ref().expect("readable").values().last().expect("one");
        let left = |tags: VmTags| TagsLeft { lost: vec!["azlin-pool"], host_key: tags.host_key };
        (**vm).clone().with_tags(left)
    }

    /// The scene, with its last VM as the fleet sees it without tags.
    fn stripped(mut scene: Scene) -> Scene {
        let vm = by_name(&scene.fleet, &untagged(&scene)).expect("the fleet's name");
        scene = scene.last_vm(|last| *last = vm);
        scene
    }

    #[test]
    fn a_vm_without_tags_is_treated_as_one_with_them() {
        use PowerState::{Running, Stopped};
        use ProvisioningState::Succeeded;
        let scene = || Scene::new("");
        let busy = || scene().vm(1, 900, Succeeded, Running).entry(1, 900, Entry::Busy);
        let idle = || scene().pending(1, 1).vm(1, 900, Succeeded, Running).entry(1, 900, Entry::Idle);
        let done =
            || scene().vm(1, 900, Succeeded, Running).remember(1, 900, |known| known.entry_seen = true);
        let stopped = || scene().vm(1, 900, Succeeded, Stopped);
        let over_ssh = |tag: Option<&str>, known: Option<&str>| {
            let (tag, known) = (tag.map(ForeignText::from), known.map(ForeignText::from));
            let scene = scene().ssh(1, 900, Entry::Absent).last_vm(|vm| vm.tags.host_key = tag);
            scene.remember(1, 900, |state| {
                (state.entry_seen, state.installed, state.host_key) = (true, Some(at(100)), known);
            })
        };
        let full = || Scene::new("max_runners = 1").pending(9, 90).runner(1, 900, Entry::Busy);
        for (situation, scene, expected) in [
            ("it runs a job", busy(), ""),
            ("it is idle, and a job waits", idle(), ""),
            ("it had its job", done(), "-1?"),
            ("its host key's tag is there", over_ssh(Some("key"), None), "-1@"),
            ("its host key is remembered", over_ssh(None, Some("key")), "-1@"),
            ("nothing knows its host key", over_ssh(None, None), "-1?"),
            ("it has stopped", stopped(), "-1"),
            ("it counts for the maximum", full(), ""),
        ] {
            assert_eq!(stripped(scene).brief(), expected, "{situation}");
        }
    }

    #[test]
    fn another_fleets_name_and_a_strangers_are_not_taken() {
        let scene = Scene::new("").vm(1, 900, ProvisioningState::Succeeded, PowerState::Running);
        let vm = untagged(&scene);
        let capitals = UntaggedVm { name: vm.name.to_uppercase().into(), ..vm.clone() };
        assert!(by_name(&scene.fleet, &capitals).is_some(), "Azure may change its case");
        let mut other = scene.fleet.clone();
        other.name = "other".parse().expect("valid");
        assert_eq!(by_name(&other, &vm), None);
        for stranger in ["ci-00000000000000", "build-7", ""] {
            assert_eq!(
                by_name(&scene.fleet, &UntaggedVm { name: stranger.into(), ..vm.clone() }),
                None,
                "{stranger}"
            );
        }
    }
}
