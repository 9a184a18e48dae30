//! A small account without problems, for tests that take one thing away.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::fixture::Scene;
use crate::model::{Architecture, CallErrorKind, Os, PowerState, ProvisioningState, Vm};
use crate::ports::preflight::{
    Access, Credential, Grant, ImageFacts, InboundRule, Principal, RateBudget, Repository, SecurityGroup,
    Size, Subnet, Subscription, TokenKind, Usage,
};

pub(super) const NOW: &str = "2026-11-25T12:00:00Z";
pub(super) const SUBNET: &str =
    "/subscriptions/0/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s";
pub(super) const SECURITY_GROUP: &str =
    "/subscriptions/0/resourceGroups/net/providers/Microsoft.Network/networkSecurityGroups/n";
/// The security group that guards the subnet.
pub(super) const SUBNETS_GROUP: &str =
    "/subscriptions/0/resourceGroups/net/providers/Microsoft.Network/networkSecurityGroups/guard";
pub(super) const IDENTITY: &str =
    "/subscriptions/0/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller";

pub(super) fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

pub(super) fn fleet(top: &str, vm: &str) -> Fleet {
    let source = format!(
        "{top}\n[vm]\nsubscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
         location = \"westeurope\"\nsizes = [\"Standard_D4s_v5\", \"Standard_D8s_v5\"]\n\
         image = \"Canonical:ubuntu-24_04-lts:server:latest\"\nsubnet_id = \"{SUBNET}\"\n{vm}"
    );
    Fleet::parse("ci.toml", "ci".parse().expect("a name"), &source).unwrap_or_else(|error| panic!("{error}"))
}

fn size(name: &str, vcpus: u32) -> Size {
    Size {
        name: name.into(),
        family: "standardDSv5Family".into(),
        vcpus,
        architecture: Some(Architecture::X64),
        zones: vec!["1".into(), "2".into()],
        restricted: None,
        restricted_zones: Vec::new(),
        ephemeral_os_disk: Some(false),
        spot: Some(true),
        generations: vec!["V1".into(), "V2".into()],
        local_disk: None,
        disk_controllers: vec!["SCSI".into()],
        accelerated_networking: Some(true),
        trusted_launch: None,
    }
}

/// A security group that denies what comes from the virtual network.
fn apart() -> SecurityGroup {
    let deny = InboundRule {
        priority: 4000,
        allows: false,
        sources: vec!["VirtualNetwork".into()],
        ports: vec!["*".into()],
        protocol: "*".into(),
    };
    SecurityGroup { location: "westeurope".into(), inbound: vec![deny] }
}

pub(super) fn everything() -> Vec<Grant> {
    vec![Grant { actions: vec!["*".into()], not_actions: Vec::new() }]
}

pub(super) fn usage(name: &str, used: u64, limit: u64) -> Usage {
    Usage { name: name.into(), used, limit }
}

/// The account of that fleet, without problems.
pub(super) fn account(fleet: &Fleet) -> Facts {
    let scope = ScopeFacts {
        repository: Some(Ok(Repository {
            full_name: "o/r".into(),
            archived: false,
            disabled: false,
            is_public: false,
        })),
        runs: Some(Ok(Access::Granted)),
        runners: Ok(Access::Granted),
        administer: Some(Ok(Access::Granted)),
        not_listed: Some(Ok(0)),
        groups: Some(Ok(vec!["Default".into()])),
        limits: BTreeMap::default(),
    };
    let credential = Credential {
        kind: TokenKind::FineGrained,
        login: Some("mona".into()),
        expires_at: Some("2027-03-01T00:00:00Z".parse().expect("a time")),
        scopes: None,
        narrow_refused: None,
    };
    let reset = "2026-11-25T12:30:00Z".parse().expect("a time");
    let image = ImageFacts {
        version: Some("24.04.1".into()),
        architecture: Some(Architecture::X64),
        generation: Some("V2".into()),
        os: Some(Os::Linux),
        ..ImageFacts::default()
    };
    let subnet = Subnet {
        location: Some("westeurope".into()),
        delegated_to: None,
        nat_gateway: true,
        route_table: false,
        default_outbound: None,
        free_addresses: Some(200),
        security_group: Some(SUBNETS_GROUP.into()),
    };
    let place = PlaceFacts {
        sizes: Ok(vec![size("Standard_D4s_v5", 4), size("Standard_D8s_v5", 8)]),
        usages: Ok(vec![
            usage("cores", 10, 100),
            usage("lowPriorityCores", 0, 100),
            usage("standardDSv5Family", 0, 100),
        ]),
    };
    let id = &fleet.vm.group.subscription_id;
    Facts {
        bad_files: Vec::new(),
        credentials: BTreeMap::default(),
        github: Some(Ok(GitHubFacts {
            poll: Duration::from_secs(60),
            credential: Ok(credential),
            budget: Ok(Some(RateBudget { limit: 5000, remaining: 4000, reset })),
            scopes: [(fleet.scope.clone(), scope)].into(),
            followed: BTreeMap::default(),
            public: BTreeMap::default(),
        })),
        azure: Some(Ok(AzureFacts {
            kind: "client secret".to_owned(),
            principal: Ok(Principal { client_id: Some("app".into()), ..Principal::default() }),
            subscriptions: [(
                id.clone(),
                SubscriptionFacts {
                    subscription: Ok(Subscription { name: "Dev".into(), state: "Enabled".into() }),
                    power_states: Ok(Access::Granted),
                },
            )]
            .into(),
            groups: [(
                fleet.vm.group.clone(),
                GroupFacts {
                    location: Ok("westeurope".into()),
                    grants: Ok(everything()),
                    vms: Ok(Vec::new()),
                },
            )]
            .into(),
            subnets: [(SUBNET.to_owned(), SubnetFacts { subnet: Ok(subnet), grants: Ok(everything()) })]
                .into(),
            security_groups: [(
                SECURITY_GROUP.to_owned(),
                SecurityGroupFacts {
                    group: Ok(SecurityGroup { location: "westeurope".into(), inbound: Vec::new() }),
                    grants: Ok(everything()),
                },
            )]
            .into(),
            subnet_groups: [(SUBNETS_GROUP.to_owned(), Ok(apart()))].into(),
            places: [(place_key(&fleet.vm), place)].into(),
            images: [(image_key(&fleet.vm), Ok(image))].into(),
            identities: [(IDENTITY.to_owned(), Ok(everything()))].into(),
        })),
        ssh_keys: [(fleet.name.clone(), Ok(Some("ssh-ed25519, from /key".to_owned())))].into(),
        listen: Some(([127, 0, 0, 1], 9469).into()),
        exposed: Vec::new(),
        errors: BTreeMap::new(),
        pools: [fleet.name.clone()].into(),
    }
}

pub(super) fn failed<T>(trouble: CallErrorKind) -> Result<T, CallError> {
    let error = CallError::new(trouble, "500 \"said\"").during("GET /x");
    Err(error.advise(Advice::CheckCredential("what to do")))
}

/// The findings that are not ok: `state what: found`.
pub(super) fn told(fleets: &[Fleet], facts: &Facts) -> Vec<String> {
    let findings = check(fleets, facts, now());
    let all_have_cures = findings.iter().all(|finding| match finding.state {
        State::Problem | State::Warning => finding.cure.as_ref().is_some_and(|cure| !cure.is_empty()),
        State::Ok => finding.cure.is_none(),
        State::Unknown => true,
    });
    assert!(all_have_cures, "{findings:#?}");
    let findings = findings.iter().filter(|finding| finding.state != State::Ok);
    findings.map(|finding| format!("{:?} {}: {}", finding.state, finding.what, finding.found)).collect()
}

pub(super) const IN_ORDER: &[&str] = &[];

/// A VM of that fleet, of the fleet's first size.
pub(super) fn vm(fleet: &Fleet, number: u32) -> Vm {
    let scene = Scene { fleet: fleet.clone(), ..Scene::new("") };
    let scene = scene.vm(number, 0, ProvisioningState::Succeeded, PowerState::Unknown);
    let vms = scene.seen.vms.expect("readable").into_values();
    vms.map(std::sync::Arc::unwrap_or_clone).next().expect("it was added")
}
