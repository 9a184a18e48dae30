//! What clients can ask of the world, without HTTP. [`crate::Served`] and [`crate::InProcess`] both call
//! these.

use azlin_fleet::model::Scope;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rand::RngExt;
use serde_json::{Value, json};

use crate::account::vcpus;
use crate::azure::{AzureRefusal, SET_BY_POLICY, SimVm, SimVmState, key};
use crate::fault::{FaultKind, random_duration};
use crate::github::SimRunner;
use crate::operations::OperationKind;
use crate::world::{World, WorldEvent};

/// GitHub's answer to a request to remove a runner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The runner was removed.
    Removed,
    /// There is no such runner.
    NotFound,
    /// The runner runs a job, and stays.
    Busy,
}

/// Why GitHub creates no runner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRunner {
    /// The name is in use.
    NameTaken,
    /// The request is invalid, for this reason.
    Invalid(String),
}

impl World {
    /// Creates the entry of an ephemeral runner. Returns it with its JIT configuration.
    ///
    /// # Errors
    /// If the name is in use, or the request is invalid.
    pub fn jit_config(
        &mut self,
        scope: &Scope,
        name: &str,
        group: u64,
        labels: Vec<String>,
    ) -> Result<(SimRunner, String), NoRunner> {
        if name.is_empty() || name.len() > 64 {
            return Err(NoRunner::Invalid("name must be 1 to 64 characters".to_owned()));
        }
        if labels.is_empty() || labels.len() > 100 {
            return Err(NoRunner::Invalid("labels must be 1 to 100".to_owned()));
        }
        if self.state.github.runners_of(scope).iter().any(|runner| runner.name.eq_ignore_ascii_case(name)) {
            return Err(NoRunner::NameTaken);
        }
        let id = self.state.github.number();
        let (jit, secret) = self.jit_blob(scope, id, name);
        let runner = SimRunner {
            group,
            labels,
            jit: jit.clone(),
            secret,
            ..SimRunner::registered(id, scope.clone(), name.to_owned(), self.now())
        };
        self.state.github.jits.insert(jit.clone(), id);
        self.state.github.runners.insert(id, runner.clone());
        self.after(self.settings.entry_limit, WorldEvent::Forget(id));
        Ok((runner, jit))
    }

    /// The JIT configuration as GitHub encodes it: base64 of a JSON object of base64 files.
    fn jit_blob(&mut self, scope: &Scope, id: u64, name: &str) -> (String, String) {
        let mut key = [0_u8; 1200];
        self.rng.fill(&mut key);
        let secret: String = key[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let runner = self.runner_json(scope, id, name, true);
        let files = json!({
            ".runner": STANDARD.encode(runner.to_string()),
            ".credentials": STANDARD.encode(json!({"scheme": "OAuth", "data": {"secret": secret}}).to_string()),
            ".credentials_rsaparams": STANDARD.encode(key),
        });
        (STANDARD.encode(files.to_string()), secret)
    }

    /// The runner that a JIT configuration is for, by the files in it: a client may change their settings.
    pub(crate) fn runner_of_jit(&self, blob: &str) -> Option<u64> {
        let json = |text: &str| serde_json::from_slice::<Value>(&STANDARD.decode(text).ok()?).ok();
        let id = json(json(blob)?[".runner"].as_str()?)?["agentId"].as_u64()?;
        self.state.github.jits.values().find(|runner| **runner == id).copied()
    }

    /// Issues a token for Azure. Returns it with its expiry.
    pub fn issue_token(&mut self) -> (String, Timestamp) {
        let token = format!("simcloud-arm-token-{:032x}", self.rng.random::<u128>());
        let expires_at = self.now() + self.settings.token_life;
        self.tokens.insert(token.clone(), expires_at);
        (token, expires_at)
    }

    /// When a token that was issued expires.
    pub fn token_expires_at(&self, token: &str) -> Option<Timestamp> {
        self.tokens.get(token).copied()
    }

    /// Creates a VM.
    ///
    /// # Errors
    /// If the VM must not exist yet but does, if the account does not allow it, or if capacity or quota is
    /// missing.
    pub fn put_vm(
        &mut self,
        subscription: &str,
        group: &str,
        name: &str,
        body: Value,
        only_if_absent: bool,
    ) -> Result<SimVm, AzureRefusal> {
        let key = key(subscription, group, name);
        if self.state.azure.vms.contains_key(&key) {
            if only_if_absent {
                let message = format!("The resource '{name}' already exists, and If-None-Match was *.");
                return Err(AzureRefusal { status: 412, code: "PreconditionFailed", message });
            }
            self.statistics.overwrites += 1;
        }
        self.allowed(group, &body)?;
        self.capacity(&body)?;
        if !self.names_used.insert(key.clone()) {
            self.statistics.names_reused += 1;
        }
        let mut code = None;
        let is_failed = self.strikes(|what| match what {
            FaultKind::CreateFails(None) => {
                code = None;
                true
            }
            FaultKind::CreateFails(Some(words)) => {
                let (first, rest) = words.split_once(' ').unwrap_or((words, ""));
                let strikes = is_asked(rest, &body);
                if strikes {
                    code = Some(first.to_owned());
                }
                strikes
            }
            _ => false,
        });
        let failure: Option<String> =
            is_failed.then(|| code.unwrap_or_else(|| "InternalExecutionError".to_owned()));
        self.state.azure.last_uid += 1;
        let uid = self.state.azure.last_uid;
        let body = self.tagged_by_policy(body);
        let vm = SimVm { failure, ..SimVm::asked(uid, (subscription, group, name), body, self.now()) };
        self.by_uid.insert(vm.uid, key.clone());
        if let Some(before) = self.state.azure.vms.insert(key, vm.clone()) {
            self.done_at_once(OperationKind::Change, before.uid);
        }
        self.begins(OperationKind::Create, uid);
        self.statistics.vms_created += 1;
        self.count_vms();
        let delay = random_duration(self.settings.create.clone(), &mut self.rng);
        self.after(delay, WorldEvent::Made(vm.uid));
        Ok(vm)
    }

    /// The request as a policy changes it: it strips all tags, or rewrites one.
    fn tagged_by_policy(&mut self, mut body: Value) -> Value {
        let mut rewritten = None;
        let strikes = self.strikes(|what| match what {
            FaultKind::TagsStripped(name) => {
                rewritten.clone_from(name);
                true
            }
            _ => false,
        });
        match rewritten {
            Some(name) => body["tags"][name] = json!(SET_BY_POLICY),
            None if strikes => body["tags"] = json!({"cost-centre": SET_BY_POLICY}),
            None => {}
        }
        body
    }

    /// Whether the account allows the VM.
    fn allowed(&self, group: &str, body: &Value) -> Result<(), AzureRefusal> {
        let size = body["properties"]["hardwareProfile"]["vmSize"].as_str().unwrap_or_default();
        let action = "Microsoft.Compute/virtualMachines/write";
        let refuse = |status, code, message| Err(AzureRefusal { status, code, message });
        if !self.account.grants(action) {
            let message = format!("The client does not have authorization to perform action '{action}'.");
            return refuse(403, "AuthorizationFailed", message);
        }
        for (action, scope) in linked(body) {
            if !self.account.grants(action) {
                let message = format!(
                    "The client has permission to perform action 'Microsoft.Compute/virtualMachines/write' on scope \
                     '{group}'; however, it does not have permission to perform action(s) '{action}' on the linked \
                     scope(s) '{scope}' or the linked scope(s) are invalid."
                );
                return refuse(403, "LinkedAuthorizationFailed", message);
            }
        }
        if !self.account.has(group) {
            let message = format!("Resource group '{group}' could not be found.");
            return refuse(404, "ResourceGroupNotFound", message);
        }
        if self.account.restricted_sizes.iter().any(|name| name.eq_ignore_ascii_case(size)) {
            let message = format!("The requested size {size} is not available for this subscription.");
            return refuse(409, "SkuNotAvailable", message);
        }
        Ok(())
    }

    /// Whether there is a host for the VM.
    pub(crate) fn capacity_for(&mut self, body: &Value) -> Result<(), AzureRefusal> {
        let size = body["properties"]["hardwareProfile"]["vmSize"].as_str().unwrap_or_default().to_owned();
        let is_short = self.strikes(|what| match what {
            FaultKind::NoCapacity(only) => only.as_ref().is_none_or(|words| is_asked(words, body)),
            _ => false,
        });
        if is_short {
            let message = format!("Allocation failed. There is no capacity for {size} in this region.");
            return Err(AzureRefusal { status: 409, code: "AllocationFailed", message });
        }
        Ok(())
    }

    fn capacity(&mut self, body: &Value) -> Result<(), AzureRefusal> {
        let size = body["properties"]["hardwareProfile"]["vmSize"].as_str().unwrap_or_default().to_owned();
        self.capacity_for(body)?;
        let (price, most) =
            (self.present_spot_price(), body["properties"]["billingProfile"]["maxPrice"].as_f64());
        if let Some(most) = most.filter(|most| *most > 0.0 && *most < price) {
            let message = format!(
                "Unable to perform operation 'Create Virtual Machine' since the provided max price '{most} USD' is lower \
                 than the current spot price '{price} USD' for Azure Spot VM size '{size}'."
            );
            return Err(AzureRefusal { status: 409, code: "OperationNotAllowed", message });
        }
        let (used, more) = (self.vcpus_used(), vcpus(&size));
        match self.settings.vcpu_quota {
            Some(quota) if used + more > quota => {
                let message = format!(
                    "Operation could not be completed as it results in exceeding approved Total Regional Cores quota. \
                     Current Limit: {quota}, Current Usage: {used}, Additional Required: {more}."
                );
                Err(AzureRefusal { status: 409, code: "OperationNotAllowed", message })
            }
            _ => Ok(()),
        }
    }

    /// What a spot machine costs at present.
    fn present_spot_price(&mut self) -> f64 {
        let mut price = self.settings.spot_price;
        self.strikes(|what| match what {
            FaultKind::SpotPrice(present) => {
                price = *present;
                true
            }
            _ => false,
        });
        price
    }

    /// The vCPUs of all VMs.
    pub fn vcpus_used(&self) -> u32 {
        self.state.azure.vms.values().map(|vm| vcpus(vm.size())).sum()
    }

    /// Deletes a VM; false if there is none. A job that runs on it is lost.
    pub fn delete_vm(&mut self, subscription: &str, group: &str, name: &str) -> bool {
        let now = self.now();
        let Some(vm) = self.state.azure.vms.get_mut(&key(subscription, group, name)) else { return false };
        if vm.state == SimVmState::Deleting {
            return true;
        }
        vm.state = SimVmState::Deleting;
        vm.changed_at = now;
        let (uid, runner, leaks) = (vm.uid, vm.runner, vm.leaks());
        self.statistics.vms_leaking += u64::from(leaks);
        if self.disconnect(runner) {
            self.statistics.jobs_killed += 1;
        }
        let delay = random_duration(self.settings.delete.clone(), &mut self.rng);
        self.after(delay, WorldEvent::Gone(uid));
        self.begins(OperationKind::Delete, uid);
        true
    }
}

/// The actions that a request for a VM needs beside the VM's own, each with the resource that it is linked to.
fn linked(body: &Value) -> Vec<(&'static str, &str)> {
    let nic = &body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"];
    let ip = &nic["ipConfigurations"][0]["properties"];
    let address = &ip["publicIPAddressConfiguration"]["name"];
    let image = body["properties"]["storageProfile"]["imageReference"]["id"].as_str();
    let of_image = image.map(str::to_ascii_lowercase).map(|id| match id {
        id if id.contains("/versions/") => "Microsoft.Compute/galleries/images/versions/read",
        id if id.contains("/galleries/") => "Microsoft.Compute/galleries/images/read",
        _ => "Microsoft.Compute/images/read",
    });
    let fixed = [
        ("Microsoft.Network/virtualNetworks/subnets/join/action", ip["subnet"]["id"].as_str()),
        ("Microsoft.Network/networkSecurityGroups/join/action", nic["networkSecurityGroup"]["id"].as_str()),
        ("Microsoft.Network/publicIPAddresses/join/action", address.as_str()),
    ];
    let identities = body["identity"]["userAssignedIdentities"].as_object().into_iter().flatten();
    let identities = identities
        .map(|(id, _)| ("Microsoft.ManagedIdentity/userAssignedIdentities/assign/action", id.as_str()));
    let fixed = fixed.into_iter().filter_map(|(action, id)| Some((action, id?)));
    fixed.chain(of_image.zip(image)).chain(identities).collect()
}

/// Whether a requested VM has all of these words: its size, its zone, its region, or "spot".
pub(crate) fn is_asked(words: &str, body: &Value) -> bool {
    let is = |value: &Value, word: &str| value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(word));
    words.split_whitespace().all(|word| {
        is(&body["properties"]["hardwareProfile"]["vmSize"], word)
            || is(&body["zones"][0], word)
            || is(&body["location"], word)
            || is(&body["properties"]["priority"], word)
    })
}
