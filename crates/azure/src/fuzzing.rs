//! Entry points for the fuzzer. Only a build with `--cfg fuzzing` has them.

use azlin_fleet::model::{CallErrorKind, OrphanKind, ResourceGroup};

use crate::credential::CredentialKind;
use crate::error::{self, ArmEffect, ArmError, ArmRefusal, How};
use crate::{orphans, preflight, vm_json, vms};

/// Reads an answer: a status and a body.
///
/// # Panics
/// When something that a caller relies on does not hold.
pub fn answer(status: u16, body: &[u8]) {
    let group = ResourceGroup { subscription_id: "s".to_owned(), name: "g".to_owned() };
    let list = vm_json::page(body).map(|(vms, _)| vms);
    let list: Vec<_> = list.unwrap_or_default().into_iter().chain(vm_json::one(body)).collect();
    let states = vms::power_states(&list);
    for vm in &list {
        let _ = vms::failed(vm);
        if let Some(ours) = vms::ours(vm, &group) {
            let _ = states.of(&ours);
            let again = azlin_fleet::model::VmTags::of(&ours.name, &ours.tags.to_tags());
            assert_eq!(again.map(|tags| tags.runner_name), Some(ours.tags.runner_name), "it stays ours");
        }
    }
    for kind in OrphanKind::ALL {
        let _ = orphans::read(&group.subscription_id, kind, body);
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
