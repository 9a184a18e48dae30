//! Entry points for the fuzzer. Only a build with `--cfg fuzzing` has them.

use azlin_fleet::model::{CallErrorKind, OrphanKind, ResourceGroup};

use crate::api::models::{VirtualMachine, VirtualMachineListResult};
use crate::credential::CredentialKind;
use crate::error::{self, ArmEffect, ArmError, ArmRefusal, How};
use crate::{orphans, preflight, vms};

/// Reads an answer: a status and a body.
///
/// # Panics
/// When something that a caller relies on does not hold.
pub fn answer(status: u16, body: &[u8]) {
    let group = ResourceGroup { subscription_id: "s".to_owned(), name: "g".to_owned() };
    let list = serde_json::from_slice::<VirtualMachineListResult>(body).map(|page| page.value);
    let one = serde_json::from_slice::<VirtualMachine>(body).into_iter();
    let list: Vec<VirtualMachine> = list.unwrap_or_default().into_iter().chain(one).collect();
    let states = vms::power_states(&list);
    for vm in &list {
        let _ = vms::failure(vm);
        if let Some(ours) = vms::ours(vm, &group) {
            let _ = states.of(&ours);
            let again = azlin_fleet::model::VmTags::of(&ours.name, &ours.tags.to_tags());
            assert_eq!(again.map(|tags| tags.runner_name), Some(ours.tags.runner_name), "it stays ours");
        }
    }
    for kind in OrphanKind::ALL {
        let _ = orphans::read(&group, kind, body);
    }
    if let Ok(token) = std::str::from_utf8(body) {
        let _ = preflight::claims(token);
    }
    let refusal = ArmRefusal::new(status, body, None, &["a secret"]);
    let error = ArmError { how: How::Refused(refusal), may_be_done: true };
    for effect in [ArmEffect::Reads, ArmEffect::Creates, ArmEffect::Deletes] {
        let told = error::call_error("PUT a VM", effect, CredentialKind::ClientSecret, &error);
        assert!(!told.to_string().contains('\n'), "one line of the journal: {told:?}");
        assert!(!told.to_string().contains("a secret"), "{told:?}");
        let is_read = effect == ArmEffect::Reads;
        assert!(!is_read || told.kind != CallErrorKind::OutcomeUnknown, "a look changes nothing: {told:?}");
    }
}
