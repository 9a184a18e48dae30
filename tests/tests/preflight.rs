//! `check` reads over the wire what the simulated world reports through its ports: the adapters add nothing
//! and lose nothing.

use std::sync::Arc;
use std::time::Duration;

use azlin_azure::{AzureClient, AzureEnvironment};
use azlin_fleet::model::{
    CallError, CallErrorKind, ForeignText, Image, ResourceGroup, RunnerGroup, RunnerName, Scope, VmSpec,
};
use azlin_fleet::ports::{
    Azure, GitHub,
    preflight::{Access, AzurePreflight, GitHubPreflight},
};
use azlin_github::{GitHubClient, Token};
use azlin_simcloud::fixture::vm_spec;
use azlin_simcloud::{IDENTITY_HEADER, InProcess, Served, Workload, World};
use jiff::Timestamp;
use secrecy::SecretString;

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
const SUBNET: &str =
    "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
const GALLERY: &str =
    "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Compute/galleries/g/images/i/versions/1.0.0";
const MANAGED: &str = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Compute/images/arm64";

/// One world behind both kinds of ports. Its time stands still, so both report the same moment.
struct Faces {
    inside: InProcess,
    github: GitHubClient,
    azure: AzureClient,
    _served: Served,
}

async fn faces(workload: &str) -> Faces {
    let workload = Workload::parse(&format!("repositories = ['o/R']\n{workload}")).unwrap();
    let start: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    let world = World::new(&workload, start);
    let token = SecretString::from(world.settings.token.as_str());
    let served = Served::start(world, Arc::new(move || start)).await.unwrap();
    let inside = InProcess::new(Arc::clone(&served.world), Arc::new(move || start));
    let url = format!("http://{}", served.github).parse().unwrap();
    let settings = azlin_github::GitHubSettings {
        retry_pause: Duration::from_millis(1),
        ..azlin_github::GitHubSettings::new(url, Token::new(&token).unwrap())
    };
    let environment = AzureEnvironment {
        identity_endpoint: Some(served.identity_endpoint()),
        identity_header: Some(SecretString::from(IDENTITY_HEADER)),
        ..AzureEnvironment::default()
    };
    let url = format!("http://{}", served.azure).parse().unwrap();
    let azure = AzureClient::new(azlin_azure::AzureSettings {
        retry_pause: Duration::from_millis(1),
        ..azlin_azure::AzureSettings::new(url, environment)
    });
    Faces { inside, github: GitHubClient::new(settings).unwrap(), azure: azure.unwrap(), _served: served }
}

/// The result of a call. For an error, only the part that changes what a caller does.
fn came_to<T>(result: Result<T, CallError>) -> Result<T, CallErrorKind> {
    result.map_err(|error| error.kind)
}

async fn github_tells(github: &(impl GitHub + GitHubPreflight)) -> String {
    let mut told = Vec::new();
    told.push(format!("{:?}", came_to(github.credential().await)));
    told.push(format!(
        "{:?}",
        came_to(github.rate_budget().await).map(|budget| budget.map(|b| (b.limit, b.reset)))
    ));
    for repo in ["o/r", "o/none"] {
        let repo = repo.parse().unwrap();
        told.push(format!("{:?}", came_to(github.repository(&repo).await)));
        told.push(format!("runs {:?}", came_to(github.may_read_runs(&repo).await).map(without_wish)));
    }
    for scope in ["repo:o/r", "repo:o/none", "org:o", "org:none", "enterprise:e"] {
        let scope: Scope = scope.parse().unwrap();
        let read = came_to(github.may_read_runners(&scope).await).map(without_wish);
        told.push(format!("{scope} {read:?}"));
        // Without read access, the second answer says nothing.
        if read == Ok(Access::Granted) {
            told.push(format!("{:?}", came_to(github.runners_not_listed(&scope).await)));
            told.push(format!(
                "{:?}",
                came_to(github.may_administer_runners(&scope).await).map(without_wish)
            ));
        }
    }
    told.push(format!("{:?}", came_to(github.runner_groups(&"org:o".parse().unwrap()).await)));
    told.push(format!("{:?}", came_to(github.public_repositories(&"o".parse().unwrap()).await)));
    for (scope, group) in
        [("org:o", None), ("org:o", Some("Builders")), ("org:o", Some("none")), ("repo:o/r", None)]
    {
        let group = came_to(github.runner_group(&scope.parse().unwrap(), group).await);
        told.push(format!(
            "{:?}",
            group.map(|group| group.map(|group| RunnerGroup { name: ForeignText::default(), ..group }))
        ));
    }
    told.join("\n")
}

/// Only the wire has the permission that GitHub requires.
fn without_wish(permit: Access) -> Access {
    match permit {
        Access::Denied(_) => Access::Denied(None),
        other => other,
    }
}

async fn azure_tells(azure: &impl AzurePreflight) -> String {
    let mut told = Vec::new();
    told.push(format!("{:?}", came_to(azure.principal().await)));
    told.push(format!("{:?}", came_to(azure.subscription(SUBSCRIPTION).await)));
    told.push(format!("{:?}", came_to(azure.may_read_power_states(SUBSCRIPTION).await)));
    for name in ["rg", "gone"] {
        let group = ResourceGroup { subscription_id: SUBSCRIPTION.to_owned(), name: name.to_owned() };
        told.push(format!("{name} {:?}", came_to(azure.resource_group(&group).await)));
        told.push(format!("{:?}", came_to(azure.grants(&group.id()).await)));
    }
    told.push(format!("{:?}", came_to(azure.grants(SUBNET).await)));
    told.push(format!("{:?}", came_to(azure.sizes(SUBSCRIPTION, "westeurope").await)));
    told.push(format!("{:?}", came_to(azure.usages(SUBSCRIPTION, "westeurope").await)));
    for image in [marketplace("latest"), marketplace("24.04.1"), Image::Id(MANAGED.to_owned())] {
        told.push(format!("{image} {:?}", came_to(azure.image(SUBSCRIPTION, "westeurope", &image).await)));
    }
    told.push(format!("{:?}", came_to(azure.subnet(SUBNET).await)));
    told.join("\n")
}

fn marketplace(version: &str) -> Image {
    Image::Marketplace {
        publisher: "Canonical".to_owned(),
        offer: "ubuntu-24_04-lts".to_owned(),
        sku: "server".to_owned(),
        version: version.to_owned(),
    }
}

fn spec(subnet_id: &str, size: &str, number: u32) -> VmSpec {
    VmSpec {
        group: ResourceGroup { subscription_id: SUBSCRIPTION.to_owned(), name: "rg".to_owned() },
        size: size.to_owned(),
        image: marketplace("latest"),
        subnet_id: subnet_id.to_owned(),
        spot: Some(azlin_fleet::model::Spot { max_price: None }),
        tags: std::collections::BTreeMap::new(),
        ..vm_spec(RunnerName::new(&"ci".parse().unwrap(), Timestamp::UNIX_EPOCH, number))
    }
}

#[tokio::test]
async fn both_faces_tell_the_same_of_every_account() {
    let mut nothing_missing = None;
    for workload in [
        "",
        "token_ends = '3d'\narchived = ['o/r']\nway_out = 'none'\nsubscription_state = 'Disabled'",
        "github_refuses = ['GET /actions/runs', 'DELETE /repos/o/r/actions/runners']\nway_out = 'route_table'",
        "github_refuses = ['GET /actions/runners']\nway_out = 'untold'\nlocation = 'northeurope'",
        "azure_denies = ['Microsoft.Compute/virtualMachines/*', '*/usages/read']\nway_out = 'default'",
        "azure_denies = ['Microsoft.Compute/*', 'Microsoft.Network/*']\nsubnet_prefix = '10.1.0.0/29'",
        "absent = ['gone', 'Standard_D4s_v5', 'Canonical:ubuntu-24_04-lts:server:24.04.1']\nimage_plan = true",
        "public = ['o/r']\ngroup = { allows_public = true, repositories = ['o/r'], workflows = ['o/r/x.yml@main'] }",
        "restricted_sizes = ['Standard_D4s_v5']\nazure_denies = ['Microsoft.Authorization/*', '*/subscriptions/*']",
    ] {
        let faces = faces(&format!("[settings]\nvcpu_quota = 40\n[premises]\n{workload}\n")).await;
        for (number, size) in [(1, "Standard_D4as_v5"), (2, "Standard_D2s_v5")] {
            // Some of these workloads allow no VM, so the result is ignored.
            drop(faces.inside.create(&spec(SUBNET, size, number)).await);
        }
        let github = github_tells(&faces.github).await;
        let azure = azure_tells(&faces.azure).await;
        assert_eq!(github, github_tells(&faces.inside).await, "{workload}");
        assert_eq!(azure, azure_tells(&faces.inside).await, "{workload}");
        let told = (github, azure);
        let full = nothing_missing.get_or_insert_with(|| told.clone());
        assert!(workload.is_empty() || told != *full, "{workload} takes nothing away");
    }
}

#[tokio::test]
async fn an_image_of_a_gallery_is_read_by_its_definition_and_its_version() {
    let image = Image::Id(GALLERY.to_owned());
    let there = faces("").await;
    let found = there.azure.image(SUBSCRIPTION, "westeurope", &image).await.unwrap();
    assert_eq!((found.version.as_deref(), found.generation.as_deref()), (Some("1.0.0"), Some("V2")));
    assert_eq!((found.locations.as_slice(), found.plan), (["westeurope".into()].as_slice(), None));
    let gone = faces(&format!("[premises]\nabsent = ['{GALLERY}']\n")).await;
    let error = gone.azure.image(SUBSCRIPTION, "westeurope", &image).await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::NotFound, "{error}");
    let odd = Image::Id("/subscriptions/0/../../evil".to_owned());
    let error = there.azure.image(SUBSCRIPTION, "westeurope", &odd).await.unwrap_err();
    assert_eq!(error.kind, CallErrorKind::Invalid, "{error}");
}

#[tokio::test]
async fn a_token_that_has_ended_and_one_of_an_installation() {
    let ended = faces("[premises]\ntoken_ends = '0s'\n").await;
    assert_eq!(came_to(ended.github.credential().await), Err(CallErrorKind::NotPermitted));
    assert_eq!(came_to(ended.inside.credential().await), Err(CallErrorKind::NotPermitted));
    let installation = faces("[settings]\ntoken = 'ghs_0123456789abcdef'\n").await;
    let found = installation.github.credential().await.unwrap();
    assert_eq!((found.login, found.scopes), (None, None), "an installation is no user");
    assert!(installation.github.runners(&"repo:o/r".parse().unwrap()).await.is_ok());
}

#[tokio::test]
async fn a_refusal_names_what_would_do() {
    let faces = faces(
        "[premises]\ngithub_refuses = ['DELETE /actions/runners']\nazure_denies = ['Microsoft.Compute/skus/read']\n",
    );
    let faces = faces.await;
    let permit = faces.github.may_administer_runners(&"repo:o/r".parse().unwrap()).await;
    assert_eq!(permit, Ok(Access::Denied(Some("administration=write".into()))));
    let error = faces.azure.sizes(SUBSCRIPTION, "westeurope").await.unwrap_err();
    assert!(error.to_string().ends_with("; grant Microsoft.Compute/skus/read"), "{error}");
}

#[tokio::test]
async fn what_the_account_lacks_keeps_a_vm_from_being_made() {
    for (account, expected) in [
        ("azure_denies = ['Microsoft.Compute/virtualMachines/write']", CallErrorKind::NotPermitted),
        ("absent = ['rg']", CallErrorKind::NotFound),
        ("restricted_sizes = ['Standard_D4s_v5']", CallErrorKind::NoCapacity),
    ] {
        let faces = faces(&format!("[premises]\n{account}\n")).await;
        let spec = spec(SUBNET, "Standard_D4s_v5", 1);
        assert_eq!(came_to(faces.azure.create(&spec).await), Err(expected), "{account}");
        assert_eq!(came_to(faces.inside.create(&spec).await), Err(expected), "{account}");
    }
}
