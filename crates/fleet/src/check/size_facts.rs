//! What Azure's list of sizes says against a fleet's VMs: `check` shows it, and the daemon does not ask for such VMs.

use super::disks;
use crate::config::{Fleet, VmConfig};
use crate::model::{Advice, CallError, CallErrorKind, ForeignText, Offering, UnfitScope};
use crate::ports::preflight::{ImageFacts, Size};

/// Why a fleet cannot use a size.
pub(super) struct Unusable {
    /// What it cannot have: the size, or spot VMs of it.
    scope: UnfitScope,
    pub(super) why: String,
    /// What to do, if another size is not the only way.
    pub(super) cure: Option<String>,
}

impl Unusable {
    pub(super) fn size(why: impl Into<String>) -> Self {
        Unusable { scope: UnfitScope::Size, why: why.into(), cure: None }
    }

    fn unless(why: &str, cure: &str) -> Self {
        Unusable { cure: Some(format!("{cure}, or name another size")), ..Unusable::size(why) }
    }
}

/// Why Azure would refuse the fleet's VMs at an offering, by its list of the sizes of that location. `None` where the
/// list says nothing against it. Zones are left to Azure's answers: one that lacks a size may have others.
pub fn refused_by_facts(
    fleet: &Fleet,
    offering: &Offering,
    sizes: &[Size],
    image: Option<&ImageFacts>,
) -> Option<CallError> {
    let Offering { location, size, spot, .. } = offering;
    // A location without sizes is no location, or the list is wrong.
    if sizes.is_empty() {
        return None;
    }
    let fits = find(size, location, sizes).and_then(|found| fits(&fleet.vm, *spot, found, image));
    let Unusable { scope, why, .. } = fits.err()?;
    let advice = if scope == UnfitScope::SpotSize { Advice::DropSpotSize } else { Advice::DropSize };
    let list = format!("Azure's list of sizes in {location}");
    Some(CallError::new(CallErrorKind::Unfit(scope), format!("{size}: {why}")).during(list).advise(advice))
}

/// The size of that name, if the subscription may use it there.
pub(super) fn find<'s>(name: &str, location: &str, sizes: &'s [Size]) -> Result<&'s Size, Unusable> {
    let size = sizes.iter().find(|size| size.name.eq_ignore_ascii_case(name));
    let size = size.ok_or_else(|| Unusable::size(format!("there is no such size in {location}")))?;
    match &size.restricted {
        Some(why) => Err(Unusable::size(format!("the subscription may not use it in {location}: {why}"))),
        None => Ok(size),
    }
}

/// Whether VMs as the file describes them can have this size.
pub(super) fn fits(
    vm: &VmConfig,
    is_spot: bool,
    size: &Size,
    image: Option<&ImageFacts>,
) -> Result<(), Unusable> {
    if let Some(other) = size.architecture.filter(|other| *other != vm.architecture()) {
        let why = format!("its processor is {}, which is not that of the fleet", other.label());
        return Err(Unusable::size(why));
    }
    if vm.ephemeral_os_disk && size.ephemeral_os_disk == Some(false) {
        return Err(Unusable::size("it has no place for an ephemeral OS disk"));
    }
    let generation = image.and_then(|image| image.generation.as_ref());
    if let Some(generation) = generation.filter(|_| !size.generations.is_empty())
        && !size.generations.contains(generation)
    {
        return Err(Unusable::size(format!("images of generation {generation} do not boot on it")));
    }
    if let Some((why, cure)) = disks::too_large(vm, size, image) {
        return Err(Unusable { cure: Some(cure), ..Unusable::size(why) });
    }
    let takes_nvme =
        |controllers: &[ForeignText]| controllers.iter().any(|one| one.eq_ignore_ascii_case("NVMe"));
    let controllers = image.map_or(&[][..], |image| &image.disk_controllers);
    if matches!(size.disk_controllers.as_slice(), [only] if only.eq_ignore_ascii_case("NVMe"))
        && !controllers.is_empty()
        && !takes_nvme(controllers)
    {
        let why = "its disks are attached by NVMe alone, which the image does not support";
        return Err(Unusable::unless(why, "name an image with NVMe among its disk controllers"));
    }
    if vm.accelerated_networking && size.accelerated_networking == Some(false) {
        let cure = "set accelerated_networking = false";
        return Err(Unusable::unless("it has no accelerated networking", cure));
    }
    if vm.trusted_launch && size.trusted_launch == Some(false) {
        return Err(Unusable::unless("it has no trusted launch", "set trusted_launch = false"));
    }
    // Last, since it leaves regular VMs.
    if is_spot && size.spot == Some(false) {
        return Err(Unusable {
            scope: UnfitScope::SpotSize,
            ..Unusable::size("there are no spot VMs of it")
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::fleet;

    fn size() -> Size {
        Size {
            name: "Standard_D4s_v5".into(),
            family: "standardDSv5Family".into(),
            vcpus: 4,
            architecture: None,
            zones: Vec::new(),
            restricted: None,
            restricted_zones: Vec::new(),
            ephemeral_os_disk: None,
            spot: None,
            generations: Vec::new(),
            local_disk: None,
            disk_controllers: Vec::new(),
            accelerated_networking: None,
            trusted_launch: None,
        }
    }

    #[test]
    fn facts_close_what_they_speak_of() {
        use UnfitScope::{Size as WholeSize, SpotSize};
        let mut fleet = fleet("ci", "");
        fleet.vm.accelerated_networking = true;
        let restricted = Some("NotAvailableForSubscription".into());
        let (regular, spot) = (false, true);
        for (facts, is_spot, expected) in [
            (size(), regular, None),
            (Size { restricted, ..size() }, regular, Some(WholeSize)),
            (Size { name: "Standard_D8s_v5".into(), ..size() }, regular, Some(WholeSize)),
            (Size { name: "STANDARD_D4S_V5".into(), ..size() }, regular, None),
            (Size { spot: Some(false), ..size() }, regular, None),
            (Size { spot: Some(false), ..size() }, spot, Some(SpotSize)),
            (Size { accelerated_networking: Some(false), ..size() }, spot, Some(WholeSize)),
            (Size { restricted_zones: vec!["1".into()], ..size() }, regular, None),
        ] {
            let offering = Offering {
                location: "westeurope".to_owned(),
                size: "Standard_D4s_v5".to_owned(),
                zone: Some("1".to_owned()),
                spot: is_spot,
            };
            let refused = refused_by_facts(&fleet, &offering, std::slice::from_ref(&facts), None);
            let kind = refused.as_ref().map(|error| error.kind);
            assert_eq!(kind, expected.map(CallErrorKind::Unfit), "{facts:?}: {refused:?}");
            assert_eq!(refused_by_facts(&fleet, &offering, &[], None), None, "an empty list says nothing");
        }
    }
}
