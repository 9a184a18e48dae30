//! VMs, network interfaces and runners in the same account that other people made. Some look like ours.

use std::collections::BTreeSet;

use azlin_fleet::model::OrphanKind;
use azlin_fleet::model::{PoolName, RunnerName, Scope};
use azlin_simcloud::World;
use azlin_simcloud::azure::{SimPower, SimResource, SimVm, SimVmState, key};
use azlin_simcloud::github::SimRunner;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::scenario::{OWNER, Scenario};

/// The names and ids of all things that others made.
#[derive(Debug, Clone, Default)]
pub struct Bystanders(BTreeSet<String>);

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
/// A name of the form that a fleet gives, with a wrong check at its end.
const ALIKE: &str = "large-0123456789abcd";

impl Bystanders {
    /// Adds the bystanders to a world.
    pub fn add_to(world: &mut World, scenario: &Scenario) -> Bystanders {
        let mut bystanders = Bystanders::default();
        // This one belongs to a fleet of another daemon.
        let pool: PoolName = "theirs".parse().unwrap_or_else(|error| panic!("{error}"));
        let theirs =
            RunnerName::new(&pool, world.now() - jiff::SignedDuration::from_hours(48), 7).to_string();
        let tags = json!({
            "azlin-pool": "theirs", "azlin-runner": theirs, "azlin-github": "api.github.com",
            "azlin-scope": format!("repo:{OWNER}/r"), "azlin-config": "0",
            "azlin-created": (world.now() - jiff::SignedDuration::from_hours(48)).to_string(),
        });
        let mut copied = tags.clone();
        copied["azlin-pool"] = json!("large");
        copied["azlin-runner"] = json!(ALIKE);
        for (name, tags) in [("web-1", json!({})), (&theirs, tags.clone()), (ALIKE, copied)] {
            bystanders.vm(world, name, tags);
        }
        for (name, tags) in [("large-nic", json!({})), ("theirs-nic", tags)] {
            let id = format!(
                "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg0/providers/Microsoft.Network/networkInterfaces/{name}"
            );
            let part = SimResource {
                kind: OrphanKind::NetworkInterface,
                id: id.clone(),
                location: json!("westeurope"),
                tags,
                vm: None,
                reserved: None,
            };
            world.state.azure.left.insert(id.to_ascii_lowercase(), part);
            bystanders.0.insert(name.to_owned());
        }
        let scope: Scope = format!("repo:{OWNER}/{}", scenario.fleets[0].repo)
            .parse()
            .unwrap_or_else(|error| panic!("{error}"));
        for name in ["build-box", &theirs, ALIKE] {
            bystanders.runner(world, name, &scope);
        }
        bystanders
    }

    /// Whether others made the thing whose name or id ends a path.
    pub fn has_path(&self, path: &str) -> bool {
        path.rsplit('/').next().is_some_and(|name| self.0.contains(name))
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers make the value in place")]
    fn vm(&mut self, world: &mut World, name: &str, tags: Value) {
        let uid = 1_000_000 + world.state.azure.vms.len() as u64;
        let body = json!({"location": "westeurope", "tags": tags});
        let vm = SimVm {
            state: SimVmState::Succeeded,
            // A stopped VM costs money too, and still is not ours.
            power: Some(if name == ALIKE { SimPower::Stopped } else { SimPower::Running }),
            ..SimVm::asked(uid, (SUBSCRIPTION, "rg0", name), body, Timestamp::UNIX_EPOCH)
        };
        world.state.azure.vms.insert(key(SUBSCRIPTION, "rg0", name), vm);
        self.0.insert(name.to_owned());
    }

    fn runner(&mut self, world: &mut World, name: &str, scope: &Scope) {
        let id = world.state.github.number();
        let runner = SimRunner {
            labels: vec!["self-hosted".to_owned()],
            ephemeral: false,
            ..SimRunner::registered(id, scope.clone(), name.to_owned(), Timestamp::UNIX_EPOCH)
        };
        world.state.github.runners.insert(id, runner);
        // Calls name a runner by its id.
        self.0.insert(id.to_string());
        self.0.insert(name.to_owned());
    }

    /// The names of bystanders that no longer exist.
    pub fn missing(&self, world: &World) -> Vec<String> {
        let vms = world.state.azure.vms.values().map(|vm| vm.name.clone());
        let parts = world.state.azure.left.values().map(|part| part.name().to_owned());
        let runners = world
            .state
            .github
            .runners
            .values()
            .flat_map(|runner| [runner.id.to_string(), runner.name.clone()]);
        let there: BTreeSet<String> = vms.chain(parts).chain(runners).collect();
        self.0.difference(&there).cloned().collect()
    }

    /// Whether others made the thing with this name.
    pub fn has_name(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}
