//! The checks of a fleet's OS disk: against its image, and against what the hosts of its sizes have.

use super::Notes;
use crate::config::{Fleet, VmConfig};
use crate::ports::preflight::{ImageFacts, Size};

/// The largest ephemeral OS disk in GiB (Docs: Ephemeral OS disks for Azure VMs).
const LARGEST_EPHEMERAL: u32 = 2_040;

/// What of a host's storage trusted launch takes from an ephemeral OS disk, in GiB.
const GUEST_STATE: u64 = 1;

pub(super) fn check(notes: &mut Notes, fleet: &Fleet, image: Option<&ImageFacts>) {
    let of_image = image.and_then(|image| image.disk_size_gb);
    if let (Some(wanted), Some(least)) = (fleet.vm.os_disk_size_gb, of_image)
        && wanted < least
    {
        let found = format!("{wanted} GB, and the image has {least} GB");
        notes.problem("OS disk", found, format!("set os_disk_size_gb = {least} or more, or leave it out"));
    } else if fleet.vm.ephemeral_os_disk
        && let Some(gb) = size(&fleet.vm, image).filter(|gb| *gb > LARGEST_EPHEMERAL)
    {
        let found = format!("{gb} GB, and an ephemeral OS disk has at most {LARGEST_EPHEMERAL} GB");
        let cure = format!("set os_disk_size_gb = {LARGEST_EPHEMERAL} or less, or ephemeral_os_disk = false");
        notes.problem("OS disk", found, cure);
    }
}

/// The size of the OS disk in GB, if it is known.
fn size(vm: &VmConfig, image: Option<&ImageFacts>) -> Option<u32> {
    vm.os_disk_size_gb.or(image?.disk_size_gb)
}

/// Why an ephemeral OS disk does not fit on hosts of a size, and what to do; `None` if it may fit.
pub(super) fn too_large(vm: &VmConfig, on: &Size, image: Option<&ImageFacts>) -> Option<(String, String)> {
    let (disk, place) = (size(vm, image)?, on.local_disk?);
    let guest_state = if vm.trusted_launch { GUEST_STATE } else { 0 };
    let room = place.gib.saturating_sub(guest_state);
    if !vm.ephemeral_os_disk || u64::from(disk) <= room {
        return None;
    }
    let without = if vm.trusted_launch { ", of which trusted launch takes 1" } else { "" };
    let why = format!("a disk of {disk} GB does not fit in its {} of {} GiB{without}", place.kind, place.gib);
    let least = image.and_then(|image| image.disk_size_gb).unwrap_or(1);
    let smaller =
        if u64::from(least) <= room { format!("set os_disk_size_gb = {room}, or ") } else { String::new() };
    Some((why, format!("{smaller}set ephemeral_os_disk = false, or name a size with more room on its host")))
}
