//! The client against the simulated Azure: kept connections, several pages, and VMs that are created and
//! deleted.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use azlin_azure::{AzureClient, AzureEnvironment, AzureSettings};
use azlin_fleet::model::{
    CallErrorKind, Orphan, OrphanKind, PowerState, ProvisioningState, QuotaScope, ResourceGroup, RunnerId,
    RunnerName, StandbyTag, Vm, VmSpec, VmTags,
};
use azlin_fleet::ports::{Address, Azure};
use azlin_simcloud::fixture::vm_spec;
use azlin_simcloud::{IDENTITY_HEADER, InProcess, Served, Workload, World};
use jiff::Timestamp;
use parking_lot::Mutex;
use secrecy::SecretString;

const QUICK: &str =
    "[settings]\ncreate = '20ms'\nboot = '20ms'\nregister = '1h'\ndelete = '20ms'\nvm_page = 50\n";

async fn world(more: &str) -> (Served, AzureClient) {
    let workload = Workload::parse(&format!("{QUICK}{more}")).expect("a workload");
    let served = Served::start(World::new(&workload, Timestamp::now()), Arc::new(Timestamp::now));
    let served = served.await.expect("two ports");
    let environment = AzureEnvironment {
        identity_endpoint: Some(served.identity_endpoint()),
        identity_header: Some(SecretString::from(IDENTITY_HEADER)),
        ..AzureEnvironment::default()
    };
    let url = format!("http://{}", served.azure).parse().expect("a URL");
    let settings =
        AzureSettings { retry_pause: Duration::from_millis(1), ..AzureSettings::new(url, environment) };
    (served, AzureClient::new(settings).expect("a client"))
}

fn group() -> ResourceGroup {
    ResourceGroup {
        subscription_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        name: "Ci".to_owned(),
    }
}

fn of_spec(number: u32) -> VmTags {
    VmTags::of(spec(number).name.as_str(), &spec(number).tags).expect("ours")
}

fn spec(number: u32) -> VmSpec {
    let pool = "ci".parse().expect("valid");
    let created_at: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a time");
    let name = RunnerName::new(&pool, created_at, number);
    let tags = VmTags {
        runner_name: name.clone(),
        pool,
        scope: "repo:o/r".parse().expect("valid"),
        created_at,
        github: "api.github.com".into(),
        config_hash: "abc".into(),
        runner_id: None,
        replaces: None,
        host_key: None,
        standby: None,
    };
    VmSpec { tags: tags.to_tags(), group: group(), ..vm_spec(name) }
}

async fn orphans(azure: &AzureClient) -> Vec<Orphan> {
    let mut found = Vec::new();
    for kind in OrphanKind::ALL {
        found.extend(azure.orphans(&group(), kind).await.expect("a list"));
    }
    found
}

#[tokio::test]
async fn parts_that_no_vm_holds_are_listed_by_our_mark_and_removed() {
    let (served, azure) = world("[[faults]]\nwhat = 'leaves_behind'\ntimes = 1\n").await;
    for number in 0..2 {
        azure.create(&VmSpec { public_ip: true, ..spec(number) }).await.expect("it is taken");
    }
    assert_eq!(orphans(&azure).await, [], "each is held by its VM");
    azure.delete(&group(), spec(0).name.as_str()).await.expect("it is taken");
    until(&azure, |vms| vms.len() == 1).await;
    let found = orphans(&azure).await;
    let kinds: Vec<OrphanKind> = found.iter().map(|orphan| orphan.kind).collect();
    assert_eq!(kinds, OrphanKind::ALL);
    assert!(
        found.iter().all(|orphan| orphan.tags.as_ref().is_some_and(|tags| tags.runner_name == spec(0).name)),
        "{found:?}"
    );
    for orphan in &found {
        azure.discard(orphan).await.expect("it is taken");
        azure.discard(orphan).await.expect("it is gone");
    }
    assert_eq!(orphans(&azure).await, []);
    let held = Orphan { name: format!("{}-nic", spec(1).name).into(), ..found[0].clone() };
    let error = azure.discard(&held).await.expect_err("a VM holds it");
    assert!(error.to_string().contains("NicInUse"), "{error}");
    assert_eq!(served.world().state.azure.vms.len(), 1);
}

/// Lists until the list meets the condition.
async fn until(azure: &AzureClient, is_right: impl Fn(&[Vm]) -> bool) -> Vec<Vm> {
    let started = Instant::now();
    loop {
        let mut vms = azure.vms(&group()).await.expect("a list");
        let powers = azure.power_states(&group().subscription_id).await.expect("power states");
        for vm in &mut vms {
            vm.power = powers.of(vm);
        }
        if is_right(&vms) {
            return vms;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "still {vms:?}");
        tokio::task::yield_now().await;
    }
}

fn is_up(vm: &Vm) -> bool {
    vm.provisioning == ProvisioningState::Succeeded && vm.power == PowerState::Running
}

#[tokio::test]
async fn a_vm_comes_runs_and_goes() {
    let (_served, azure) = world("").await;
    azure.create(&spec(1)).await.expect("a VM");
    let vms = until(&azure, |vms| vms.iter().any(is_up)).await;
    assert_eq!(vms[0].name, spec(1).name.as_str());
    assert_eq!(vms[0].size, "Standard_D4s_v5");
    azure.create(&spec(1)).await.expect("the very VM that is asked for");
    let another = VmSpec { tags: [("azlin-pool".to_owned(), "other".to_owned())].into(), ..spec(1) };
    let error = azure.create(&another).await.expect_err("another's name");
    assert_eq!(error.kind, CallErrorKind::NameTaken);
    azure.delete(&group(), &vms[0].name).await.expect("a removal");
    until(&azure, <[Vm]>::is_empty).await;
    azure.delete(&group(), &vms[0].name).await.expect("gone is gone");
}

#[tokio::test]
async fn a_vm_on_standby_is_deallocated_handed_to_a_runner_and_started() {
    let (served, azure) = world("").await;
    let standby = VmTags { standby: Some(StandbyTag::Kept), ..of_spec(1) };
    let mut tags = standby.to_tags();
    tags.insert("cost-centre".to_owned(), "7".to_owned());
    azure.create(&VmSpec { tags, ..spec(1) }).await.expect("a VM");
    let vms = until(&azure, |vms| vms.iter().any(is_up)).await;
    assert_eq!(vms[0].tags.standby, Some(StandbyTag::Kept));
    let name = spec(1).name;

    azure.deallocate(&group(), name.as_str()).await.expect("it is taken");
    until(&azure, |vms| vms.iter().any(Vm::is_on_standby)).await;

    let now: Timestamp = "2026-01-02T09:00:00Z".parse().expect("a time");
    let order = SecretString::from("azlin-run 7 r SECRET".to_owned());
    let used = VmTags::of_use(RunnerId(7), now);
    azure.take_from_standby(&group(), name.as_str(), &order, &used).await.expect("it is taken");
    let vms = azure.vms(&group()).await.expect("a list");
    assert_eq!(
        (vms[0].tags.standby, vms[0].tags.runner_id),
        (Some(StandbyTag::Used(now)), Some(RunnerId(7)))
    );
    let body = served.world().state.azure.vms.values().next().expect("one").body.clone();
    assert_eq!(body["tags"]["cost-centre"], "7", "what others have tagged stays");
    assert!(azure.was_registered(&group(), name.as_str()).await.expect("it is there"));

    azure.start(&group(), name.as_str()).await.expect("it is taken");
    until(&azure, |vms| vms.iter().any(is_up)).await;
    azure.start(&group(), name.as_str()).await.expect("one that runs stays as it is");
    let gone = azure.start(&group(), "ci-gone").await.expect_err("there is no such VM");
    assert_eq!(gone.kind, CallErrorKind::NotFound);
}

#[tokio::test]
async fn a_start_that_azure_has_no_capacity_for_is_refused_as_a_creation_is() {
    let (served, azure) = world("[[faults]]\nwhat = 'no_capacity'\nfrom = '2s'\n").await;
    azure.create(&spec(1)).await.expect("a VM");
    until(&azure, |vms| vms.iter().any(is_up)).await;
    azure.deallocate(&group(), spec(1).name.as_str()).await.expect("it is taken");
    until(&azure, |vms| vms.iter().any(|vm| vm.power == PowerState::Deallocated)).await;
    // Until the fault begins; the lists are what moves the simulated world on.
    let has_begun = || served.world().age() >= Duration::from_secs(2);
    until(&azure, |_| has_begun()).await;
    let error = azure.start(&group(), spec(1).name.as_str()).await.expect_err("no capacity");
    assert_eq!(error.kind, CallErrorKind::NoCapacity, "{error}");
}

#[tokio::test]
async fn the_word_that_a_registration_was_sent_stays_with_its_vm() {
    let (_served, azure) = world("").await;
    for number in [1, 2] {
        azure.create(&spec(number)).await.expect("a VM");
    }
    let (noted, asked) = (spec(1).name.to_string(), spec(2).name.to_string());
    for name in [&noted, &asked] {
        assert_eq!(azure.was_registered(&group(), name).await, Ok(false), "{name}");
    }
    azure.note_registration(&group(), &noted).await.expect("Azure takes it");
    azure.ask_to_drain(&group(), &asked, "azlin-drain 7").await.expect("Azure takes it");
    for name in [&noted, &asked] {
        assert_eq!(azure.was_registered(&group(), name).await, Ok(true), "{name}");
    }
    until(&azure, |vms| vms.iter().filter(|vm| is_up(vm)).count() == 2).await;
    let vms = until(&azure, |vms| vms.iter().any(|vm| vm.power == PowerState::Stopped)).await;
    let stays = vms.iter().find(|vm| vm.name == noted).expect("it is there");
    assert!(is_up(stays), "the word asks for nothing: {vms:?}");
    azure.note_registration(&group(), &noted).await.expect("safe to repeat");
    let missing = azure.was_registered(&group(), "nobody").await.expect_err("no such VM");
    assert_eq!(missing.kind, CallErrorKind::NotFound);
    azure.note_registration(&group(), "nobody").await.expect_err("no such VM");
}

#[tokio::test]
async fn a_vm_is_reached_and_its_console_read() {
    let (served, azure) = world("").await;
    let public = VmSpec { public_ip: true, ..spec(1) };
    azure.create(&public).await.expect("a VM");
    let name = public.name.as_str();
    until(&azure, |vms| vms.iter().any(is_up)).await;
    for public in [false, true] {
        let found = azure.address(&group(), name, public).await.expect("an answer");
        assert!(matches!(found, Address::At(_)), "{found:?}");
    }
    let missing = azure.address(&group(), "nobody", false).await.expect_err("no such VM");
    assert_eq!(missing.kind, CallErrorKind::NotFound);
    let started = Instant::now();
    while azure.console(&group(), name).await.expect("an answer").is_none_or(|text| text.is_empty()) {
        assert!(started.elapsed() < Duration::from_secs(60), "it prints nothing");
        tokio::task::yield_now().await;
    }
    azure.delete(&group(), name).await.expect("a removal");
    let found = azure.address(&group(), name, false).await;
    let is_over = matches!(&found, Ok(Address::Never(_)))
        || found.as_ref().is_err_and(|e| e.kind == CallErrorKind::NotFound);
    assert!(is_over, "{found:?}");

    drop(served);
    let (_served, azure) = world("[[faults]]\nwhat = 'create_fails'\n").await;
    azure.create(&spec(2)).await.expect("taken");
    until(&azure, |vms| vms.iter().any(|vm| vm.provisioning == ProvisioningState::Failed)).await;
    let found = azure.address(&group(), spec(2).name.as_str(), false).await.expect("an answer");
    assert!(matches!(found, Address::Never(_)), "{found:?}");
}

#[tokio::test]
async fn a_group_of_several_pages() {
    let (_served, azure) = world("").await;
    let created = (0..120).map(|number| {
        let azure = &azure;
        async move { azure.create(&spec(number)).await }
    });
    for created in futures::future::join_all(created).await {
        created.expect("a VM");
    }
    until(&azure, |vms| vms.len() == 120 && vms.iter().all(is_up)).await;
}

#[tokio::test]
async fn a_lost_answer_makes_exactly_one_vm() {
    for what in ["'lost_answer'", "'truncated'", "'reset'", "{ status = [500, 0] }", "{ status = [429, 0] }"]
    {
        let fault = format!("[[faults]]\nwhat = {what}\nside = 'azure'\nmethod = 'PUT'\ntimes = 2\n");
        let (served, azure) = world(&fault).await;
        azure.create(&spec(1)).await.unwrap_or_else(|error| panic!("{what}: {error}"));
        let report = served.world().report();
        assert_eq!((report.vms_created, report.overwrites), (1, 0), "{what}");
    }
}

#[tokio::test]
async fn no_capacity_no_quota_and_a_vm_that_fails() {
    let (_served, azure) = world("[[faults]]\nwhat = { no_capacity = 'Standard_D4s_v5' }\n").await;
    let error = azure.create(&spec(1)).await.expect_err("no machine of that size");
    assert_eq!(error.kind, CallErrorKind::NoCapacity, "{error}");
    let other = VmSpec { size: "Standard_D4as_v5".to_owned(), ..spec(1) };
    azure.create(&other).await.expect("a machine of another");

    let (_served, azure) = world("vcpu_quota = 4\n").await;
    azure.create(&spec(1)).await.expect("within the quota");
    let error = azure.create(&spec(2)).await.expect_err("past the quota");
    assert_eq!(error.kind, CallErrorKind::NoQuota(QuotaScope::Region), "{error}");

    let (_served, azure) = world("[[faults]]\nwhat = 'create_fails'\n").await;
    azure.create(&spec(1)).await.expect("taken");
    let vms = until(&azure, |vms| vms.iter().any(|vm| vm.provisioning == ProvisioningState::Failed)).await;
    azure.delete(&group(), &vms[0].name).await.expect("a removal");
    until(&azure, <[Vm]>::is_empty).await;
}

#[tokio::test]
async fn why_a_vm_could_not_be_made_is_told_once_azure_has_tried() {
    for (what, trouble) in [
        ("{ create_fails = 'AllocationFailed Standard_D4s_v5' }", Some(CallErrorKind::NoCapacity)),
        ("{ create_fails = 'QuotaExceeded' }", Some(CallErrorKind::NoQuota(QuotaScope::Region))),
        ("'create_fails'", Some(CallErrorKind::Unavailable)),
        ("{ create_fails = 'AllocationFailed Standard_E4s_v5' }", None),
    ] {
        let (_served, azure) = world(&format!("[[faults]]\nwhat = {what}\n")).await;
        azure.create(&spec(1)).await.expect("taken");
        let done = |vm: &Vm| vm.provisioning != ProvisioningState::Creating;
        until(&azure, |vms| vms.iter().any(done)).await;
        let failure = azure.failure(&group(), spec(1).name.as_str()).await.expect("an answer");
        assert_eq!(failure.failure.as_ref().map(|error| error.kind), trouble, "{what}: {failure:?}");
    }
}

/// The simulation judges refusals behind the ports. It must make of them what the adapter makes of the same answers.
#[tokio::test]
async fn a_refusal_means_the_same_behind_the_ports_and_over_the_wire() {
    let quota = "exceeding approved Total Regional Cores quota. Current Limit: 10, Current Usage: 8";
    let none = "exceeding approved standardDSv5Family Cores quota. Current Limit: 0, Current Usage: 0";
    for (status, code, message) in [
        (409, "AllocationFailed", ""),
        (409, "OverconstrainedZonalAllocationRequest", ""),
        (409, "OperationNotAllowed", "the provided max price is lower than the current spot price"),
        (409, "SpotPriceGreaterThanProvidedMaxPrice", ""),
        (409, "OperationNotAllowed", quota),
        (409, "OperationNotAllowed", none),
        (409, "OperationNotAllowed", "marked for deletion"),
        (409, "QuotaExceeded", ""),
        (400, "SubnetIsFull", ""),
        (400, "InsufficientSubnetSize", ""),
        (400, "PublicIPCountLimitReached", ""),
        (400, "VMSizeNotSupported", ""),
        (409, "NotSupported", "OS disk of Ephemeral VM is not allowed for VM size Standard_D4s_v5"),
        (400, "BadRequest", "The selected VM size cannot boot Hypervisor Generation '1'"),
        (400, "BadRequest", "something else"),
        (400, "AzureSpotIsNotSupportedForThisVMSize", ""),
        (400, "AzureSpotFeatureNotEnabledForSubscription", ""),
        (400, "AvailabilityZoneNotSupported", ""),
        (403, "RequestDisallowedByAzure", ""),
        (404, "GalleryImageNotFound", "not available in westeurope region"),
        (409, "ScopeLocked", ""),
        (409, "ResourceGroupBeingDeleted", ""),
        (409, "ReadOnlyDisabledSubscription", ""),
        (409, "MissingSubscriptionRegistration", ""),
        (400, "MarketplacePurchaseEligibilityFailed", ""),
        (400, "FailedIdentityOperation", ""),
        (400, "InvalidParameter", "keyData is invalid"),
        (400, "NeverHeardOf", ""),
        (403, "AuthorizationFailed", ""),
        (404, "ResourceGroupNotFound", ""),
        (409, "Conflict", "busy"),
        (500, "InternalExecutionError", ""),
        (503, "ServerBusy", ""),
    ] {
        let fault = format!(
            "[[faults]]\nwhat = {{ refused = [{status}, \"{code}\", \"{message}\"] }}\nside = 'azure'\nmethod = 'PUT'\n"
        );
        let (_served, azure) = world(&fault).await;
        let over_the_wire = azure.create(&spec(1)).await.expect_err(code);
        let workload = Workload::parse(&format!("{QUICK}{fault}")).expect("a workload");
        let inside = Arc::new(Mutex::new(World::new(&workload, Timestamp::now())));
        let behind = InProcess::new(inside, Arc::new(Timestamp::now)).create(&spec(1)).await.expect_err(code);
        assert_eq!(behind.kind, over_the_wire.kind, "{status} {code} {message}: {over_the_wire}");
    }
}
