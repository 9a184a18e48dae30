//! Images of the marketplace, of a gallery, and managed ones.

use azlin_fleet::model::{CallError, CallErrorKind, ForeignText, Image};
use azlin_fleet::ports::preflight::ImageFacts;
use serde::Deserialize;

use super::{COMPUTE_API, Question, wire};
use crate::client::AzureClient;

const GALLERIES_API: &str = "2023-07-03";

/// The properties of an image of any kind that azlin reads.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    architecture: Option<ForeignText>,
    #[serde(rename = "hyperVGeneration")]
    hyper_v_generation: Option<ForeignText>,
    os_type: Option<ForeignText>,
    os_state: Option<ForeignText>,
    features: Option<Vec<Feature>>,
    os_disk_image: OsDiskImage,
    storage_profile: StorageProfile,
    plan: Option<PlanJson>,
    purchase_plan: Option<PlanJson>,
    publishing_profile: PublishingProfile,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OsDiskImage {
    operating_system: Option<ForeignText>,
    /// The marketplace writes `sizeInGb`, galleries write `sizeInGB`.
    #[serde(alias = "sizeInGB")]
    size_in_gb: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct StorageProfile {
    os_disk: OsDisk,
    os_disk_image: OsDiskImage,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OsDisk {
    os_type: Option<ForeignText>,
    #[serde(rename = "diskSizeGB")]
    disk_size_gb: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PlanJson {
    publisher: ForeignText,
    product: ForeignText,
    name: ForeignText,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PublishingProfile {
    target_regions: Vec<Region>,
}

#[derive(Deserialize)]
struct Feature {
    name: ForeignText,
    value: ForeignText,
}

#[derive(Deserialize)]
struct Region {
    name: ForeignText,
}

#[derive(Deserialize)]
struct ImageJson {
    #[serde(default)]
    location: Option<ForeignText>,
    #[serde(default)]
    properties: Properties,
}

impl Properties {
    fn facts(self, version: Option<ForeignText>) -> ImageFacts {
        let plan = self.plan.or(self.purchase_plan);
        let regions = self.publishing_profile.target_regions;
        let features = self.features.unwrap_or_default();
        let feature = |name: &str| {
            let found = features.iter().find(|feature| feature.name.eq_ignore_ascii_case(name));
            found.map(|feature| feature.value.clone())
        };
        let controllers = feature("DiskControllerTypes").unwrap_or_default();
        let StorageProfile { os_disk, os_disk_image } = self.storage_profile;
        let os = self.os_type.or(self.os_disk_image.operating_system).or(os_disk.os_type);
        ImageFacts {
            is_specialized: self.os_state.is_some_and(|state| state.eq_ignore_ascii_case("Specialized")),
            security: feature("SecurityType"),
            disk_size_gb: self.os_disk_image.size_in_gb.or(os_disk_image.size_in_gb).or(os_disk.disk_size_gb),
            disk_controllers: controllers
                .split(',')
                .map(str::trim)
                .filter(|one| !one.is_empty())
                .map(ForeignText::from)
                .collect(),
            version,
            architecture: self.architecture.as_deref().and_then(wire::architecture),
            generation: self.hyper_v_generation,
            os: os.and_then(|os| os.parse().ok()),
            plan: plan.map(|plan| format!("{} {} {}", plan.publisher, plan.product, plan.name).into()),
            locations: regions.iter().map(|region| wire::plain_location(&region.name)).collect(),
        }
    }
}

pub(super) async fn image(
    azure: &AzureClient,
    subscription_id: &str,
    location: &str,
    image: &Image,
) -> Result<ImageFacts, CallError> {
    match image {
        Image::Marketplace { publisher, offer, sku, version } => {
            let names = [publisher.as_str(), offer, sku];
            marketplace(azure, subscription_id, location, names, version).await
        }
        Image::Id(id) if id.to_ascii_lowercase().contains("/galleries/") => gallery(azure, id).await,
        Image::Id(id) => managed(azure, id).await,
    }
}

async fn marketplace(
    azure: &AzureClient,
    subscription_id: &str,
    location: &str,
    [publisher, offer, sku]: [&str; 3],
    version: &str,
) -> Result<ImageFacts, CallError> {
    #[derive(Deserialize)]
    struct Version {
        name: ForeignText,
    }
    let what = format!("read image {publisher}:{offer}:{sku}:{version} in {location}");
    let question = Question {
        what: &what,
        needs: "Microsoft.Compute/locations/publishers/artifacttypes/offers/skus/versions/read",
    };
    let subscription = format!("/subscriptions/{subscription_id}");
    let mut rest = vec![
        "providers",
        "Microsoft.Compute",
        "locations",
        location,
        "publishers",
        publisher,
        "artifacttypes",
        "vmimage",
        "offers",
        offer,
        "skus",
        sku,
        "versions",
    ];
    let version = if version.eq_ignore_ascii_case("latest") {
        let url = azure.at(question, &subscription, &rest, COMPUTE_API)?;
        let found: Vec<Version> = azure.read(question, url).await?;
        let newest = found.into_iter().max_by_key(|version| numbers(&version.name));
        newest.ok_or_else(|| CallError::new(CallErrorKind::NotFound, "it has no version").during(&what))?.name
    } else {
        version.into()
    };
    rest.push(&version);
    let found: ImageJson =
        azure.read(question, azure.at(question, &subscription, &rest, COMPUTE_API)?).await?;
    Ok(found.properties.facts(Some(version.clone())))
}

/// Versions are numbers with periods, and are compared as such.
fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|part| part.parse().unwrap_or_default()).collect()
}

/// An image definition, or a version of one.
async fn gallery(azure: &AzureClient, id: &str) -> Result<ImageFacts, CallError> {
    let what = format!("read image {}", id.rsplit('/').next().unwrap_or_default());
    let question = Question { what: &what, needs: "Microsoft.Compute/galleries/images/read" };
    let lower = id.to_ascii_lowercase();
    let (definition, version) = match lower.find("/versions/") {
        Some(at) => (&id[..at], Some(&id[at + "/versions/".len()..])),
        None => (id, None),
    };
    let found: ImageJson = azure.read(question, azure.at(question, definition, &[], GALLERIES_API)?).await?;
    let facts = found.properties.facts(version.map(ForeignText::from));
    let Some(version) = version.filter(|version| !version.eq_ignore_ascii_case("latest")) else {
        return Ok(facts);
    };
    let question = Question { needs: "Microsoft.Compute/galleries/images/versions/read", ..question };
    let url = azure.at(question, definition, &["versions", version], GALLERIES_API)?;
    let of_version: ImageJson = azure.read(question, url).await?;
    let ImageFacts { locations, disk_size_gb, .. } = of_version.properties.facts(None);
    Ok(ImageFacts { locations, disk_size_gb, ..facts })
}

async fn managed(azure: &AzureClient, id: &str) -> Result<ImageFacts, CallError> {
    let what = format!("read image {}", id.rsplit('/').next().unwrap_or_default());
    let question = Question { what: &what, needs: "Microsoft.Compute/images/read" };
    let found: ImageJson = azure.read(question, azure.at(question, id, &[], COMPUTE_API)?).await?;
    let location = found.location.as_deref().map(wire::plain_location);
    Ok(ImageFacts { locations: location.into_iter().collect(), ..found.properties.facts(None) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use azlin_fleet::model::{Architecture, Os};
    use serde_json::json;

    #[test]
    fn images_as_azure_shows_them() {
        let marketplace = json!({"location": "westeurope", "name": "24.04.1", "properties": {
            "architecture": "x64", "hyperVGeneration": "V2", "osDiskImage": {"operatingSystem": "Linux", "sizeInGb": 31},
            "features": [{"name": "DiskControllerTypes", "value": "SCSI, NVMe"}],
            "plan": {"publisher": "p", "product": "o", "name": "s"}, "dataDiskImages": [],
        }});
        let definition = json!({"location": "westeurope", "properties": {
            "architecture": "Arm64", "hyperVGeneration": "V2", "osType": "Linux", "osState": "Generalized",
            "purchasePlan": {"publisher": "p", "product": "o", "name": "s"},
        }});
        let own = json!({"properties": {
            "osState": "Specialized", "features": [{"name": "SecurityType", "value": "ConfidentialVM"}],
        }});
        let version = json!({"location": "westeurope", "properties": {
            "publishingProfile": {"targetRegions": [{"name": "West Europe", "regionalReplicaCount": 1}]},
            "storageProfile": {"osDiskImage": {"sizeInGB": 30}},
        }});
        let managed = json!({"location": "northeurope", "properties": {
            "hyperVGeneration": "V1", "storageProfile": {"osDisk": {"osType": "Windows", "diskSizeGB": 127}},
        }});
        let told = |value: serde_json::Value| {
            serde_json::from_value::<ImageJson>(value).expect("an image").properties.facts(None)
        };
        let plan = Some(ForeignText::from("p o s"));
        let is = |architecture, generation: &str, plan: &Option<ForeignText>| ImageFacts {
            architecture,
            generation: Some(generation.into()),
            os: Some(Os::Linux),
            plan: plan.clone(),
            ..ImageFacts::default()
        };
        let of_marketplace = ImageFacts {
            disk_size_gb: Some(31),
            disk_controllers: vec!["SCSI".into(), "NVMe".into()],
            ..is(Some(Architecture::X64), "V2", &plan)
        };
        assert_eq!(told(marketplace), of_marketplace);
        assert_eq!(told(definition), is(Some(Architecture::Arm64), "V2", &plan));
        let own = told(own);
        assert_eq!((own.is_specialized, own.security.as_deref()), (true, Some("ConfidentialVM")));
        let version = told(version);
        assert_eq!(
            (version.locations.as_slice(), version.disk_size_gb),
            (["westeurope".into()].as_slice(), Some(30))
        );
        assert_eq!(
            told(managed),
            ImageFacts { os: Some(Os::Windows), disk_size_gb: Some(127), ..is(None, "V1", &None) }
        );
    }

    #[test]
    fn versions_are_numbers() {
        assert!(numbers("24.04.202510010") > numbers("24.04.202509300"));
        assert!(numbers("24.10.0") > numbers("24.9.9"));
    }
}
