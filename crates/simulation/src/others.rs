//! Things in the same account that others made, some of which look like ours.

use std::collections::BTreeSet;

use azlin_fleet::leftover::Kind;
use azlin_fleet::names::{PoolName, Scope};
use azlin_fleet::runner_name::RunnerName;
use azlin_simcloud::World;
use azlin_simcloud::azure::{Part, SimVm, State, key};
use azlin_simcloud::github::SimRunner;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::scenario::{OWNER, Scenario};

/// The names of things that others made.
#[derive(Debug, Clone, Default)]
pub struct Others(BTreeSet<String>);

const SUBSCRIPTION: &str = "00000000-0000-0000-0000-000000000000";
/// A name of the form that a fleet gives, with the wrong letters at its end.
const ALIKE: &str = "large-0123456789abcd";

impl Others {
    /// Puts them into a world.
    pub fn settle(world: &mut World, scenario: &Scenario) -> Others {
        let mut others = Others::default();
        // Of a fleet that another daemon has.
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
            others.vm(world, name, tags);
        }
        for (name, tags) in [("large-nic", json!({})), ("theirs-nic", tags)] {
            let id = format!(
                "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg0/providers/Microsoft.Network/networkInterfaces/{name}"
            );
            let part = Part {
                kind: Kind::NetworkInterface,
                id: id.clone(),
                location: json!("westeurope"),
                tags,
                vm: None,
            };
            world.state.azure.left.insert(id.to_ascii_lowercase(), part);
            others.0.insert(name.to_owned());
        }
        let scope: Scope = format!("repo:{OWNER}/{}", scenario.fleets[0].repo)
            .parse()
            .unwrap_or_else(|error| panic!("{error}"));
        for name in ["build-box", &theirs, ALIKE] {
            others.runner(world, name, &scope);
        }
        others
    }

    /// Whether somebody else made what a path ends with.
    pub fn has(&self, path: &str) -> bool {
        path.rsplit('/').next().is_some_and(|name| self.0.contains(name))
    }

    #[expect(clippy::needless_pass_by_value, reason = "callers make the value in place")]
    fn vm(&mut self, world: &mut World, name: &str, tags: Value) {
        let uid = 1_000_000 + world.state.azure.vms.len() as u64;
        let body = json!({"location": "westeurope", "tags": tags});
        let vm = SimVm {
            state: State::Succeeded,
            // One that is off costs money too, and is not ours all the same.
            running: Some(name != ALIKE),
            ..SimVm::asked(uid, (SUBSCRIPTION, "rg0", name), body, Timestamp::UNIX_EPOCH)
        };
        world.state.azure.vms.insert(key(SUBSCRIPTION, "rg0", name), vm);
        self.0.insert(name.to_owned());
    }

    fn runner(&mut self, world: &mut World, name: &str, scope: &Scope) {
        let id = world.state.github.number();
        let runner = SimRunner {
            id,
            scope: scope.clone(),
            name: name.to_owned(),
            group: 1,
            labels: vec!["self-hosted".to_owned()],
            online: false,
            job: None,
            jit: String::new(),
            offline_since: Some(Timestamp::UNIX_EPOCH),
            lost: false,
            ephemeral: false,
            secret: String::new(),
            heard_at: None,
        };
        world.state.github.runners.insert(id, runner);
        // Calls name a runner by its number.
        self.0.insert(id.to_string());
        self.0.insert(name.to_owned());
    }

    /// What is not there any more.
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

    /// Whether somebody else made what bears this name.
    pub fn is_one(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}
