//! A VM's address, which its NIC holds, and its serial console, which Azure keeps in a blob.

use std::net::IpAddr;

use azlin_fleet::model::{ProvisioningState, ResourceGroup};
use azlin_fleet::ports::Address;
use azlin_http::{HttpRequest, is_local, is_loopback};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use crate::answer::is_page;
use crate::api::VmApi;
use crate::arm::{Arm, ArmCall};
use crate::error::{ArmError, How};
use crate::{vm_reads, vms};

/// The version of the network API whose NICs are read.
pub(crate) const NETWORK_API: &str = "2024-05-01";

/// The VM's address.
pub(crate) async fn address(
    arm: &Arm,
    group: &ResourceGroup,
    name: &str,
    public: bool,
) -> Result<Address, ArmError> {
    let mut vm = vm_reads::one(arm, group, name).await?;
    let mut state = vms::provisioning(&vm.provisioning_state);
    if state == ProvisioningState::Failed {
        vm = vm_reads::with_view(arm, group, name).await?;
        state = ProvisioningState::of_failed(Some(&vms::failed(&vm)));
    }
    match state {
        ProvisioningState::Failed => return Ok(Address::Never("Azure could not make its VM".to_owned())),
        ProvisioningState::Deleting => return Ok(Address::Never("its VM is being deleted".to_owned())),
        _ => {}
    }
    let Some(nic) = &vm.nic else { return Ok(Address::Pending) };
    let call = nic_call(arm.root(), nic)?;
    let answer = match arm.send(&call).await {
        Ok(answer) => answer,
        Err(ArmError { how: How::Refused(refusal), .. }) if refusal.is_absence() => {
            return Ok(Address::Pending);
        }
        Err(error) => return Err(error),
    };
    let nic: Value =
        serde_json::from_slice(&answer.body).map_err(|error| ArmError::unreadable(error.to_string()))?;
    Ok(ip(&nic, public).map_or(Address::Pending, Address::At))
}

fn nic_call(root: &Url, id: &str) -> Result<ArmCall, ArmError> {
    let fits = |c: char| c.is_alphanumeric() || "/-_.()".contains(c);
    if !id.to_ascii_lowercase().starts_with("/subscriptions/") || !id.chars().all(fits) || id.contains("..") {
        return Err(ArmError::unreadable(format!("{id:?} is no id of a NIC")));
    }
    let mut url = root.clone();
    url.set_path(id);
    url.query_pairs_mut()
        .append_pair("api-version", NETWORK_API)
        .append_pair("$expand", "ipConfigurations/publicIPAddress");
    Ok(ArmCall::new(Method::GET, url))
}

/// The first address of that kind.
fn ip(nic: &Value, public: bool) -> Option<IpAddr> {
    let configurations = nic["properties"]["ipConfigurations"].as_array()?;
    let address = |configuration: &Value| {
        let properties = &configuration["properties"];
        let text = if public {
            &properties["publicIPAddress"]["properties"]["ipAddress"]
        } else {
            &properties["privateIPAddress"]
        };
        text.as_str()?.parse().ok()
    };
    configurations.iter().find_map(address)
}

/// What the VM printed on its serial console; `None` where Azure keeps none.
pub(crate) async fn console(
    arm: &Arm,
    api: &VmApi,
    group: &ResourceGroup,
    name: &str,
) -> Result<Option<String>, ArmError> {
    let Some(link) = api.console_link(group, name).await? else { return Ok(None) };
    // The link gives access to the blob, so no message shows it.
    let url =
        Url::parse(&link).map_err(|_| ArmError::unreadable("the link to the console's log is no URL"))?;
    if !may_be_read(arm.root(), &url) {
        let why = "the link to the console's log leads to no HTTPS of another machine, and is not followed";
        return Err(ArmError::unreadable(why));
    }
    let request = HttpRequest::new(Method::GET, &url);
    let reply =
        arm.client.transport().send(request).await.map_err(|lost| ArmError::unreadable(lost.why()))?;
    if reply.status != StatusCode::OK || is_page(&reply) {
        let what = if is_page(&reply) { " with a page" } else { "" };
        return Err(ArmError::unreadable(format!("the console's log answers {}{what}", reply.status)));
    }
    Ok(Some(String::from_utf8_lossy(&reply.body).into_owned()))
}

/// Whether a link in an answer is followed: HTTPS, and not to this machine or its metadata service. Of a resource manager
/// on this machine, a simulated one, its own links lead here.
fn may_be_read(root: &Url, link: &Url) -> bool {
    link.scheme() == "https" && !is_local(link) || is_loopback(root) && is_loopback(link)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_address_of_a_nic() {
        let nic = json!({"properties": {"ipConfigurations": [{"properties": {
            "privateIPAddress": "10.0.0.4", "publicIPAddress": {"id": "/x", "properties": {"ipAddress": "203.0.113.9"}},
        }}]}});
        assert_eq!(ip(&nic, false), Some(IpAddr::from([10, 0, 0, 4])));
        assert_eq!(ip(&nic, true), Some(IpAddr::from([203, 0, 113, 9])));
        let without =
            json!({"properties": {"ipConfigurations": [{"properties": {"privateIPAddress": "10.0.0.4"}}]}});
        assert_eq!(ip(&without, true), None, "a private address is no public one");
    }

    #[test]
    fn a_link_to_this_machine_or_by_plain_http_is_not_followed() {
        let url = |text: &str| Url::parse(text).expect("a URL");
        let (azure, simulated) = (url("https://management.azure.com"), url("http://127.0.0.1:4141"));
        for (link, of_azure, of_simulated) in [
            ("https://x.blob.core.windows.net/log?sig=a", true, true),
            ("http://x.blob.core.windows.net/log", false, false),
            ("http://169.254.169.254/metadata/identity", false, false),
            ("https://169.254.169.254/", false, false),
            ("https://127.0.0.1/", false, true),
            ("http://127.0.0.1:9469/", false, true),
            ("http://localhost:9469/", false, true),
        ] {
            let found = (may_be_read(&azure, &url(link)), may_be_read(&simulated, &url(link)));
            assert_eq!(found, (of_azure, of_simulated), "{link}");
        }
    }

    #[test]
    fn an_id_that_leads_elsewhere_is_not_followed() {
        let root = Url::parse("https://management.azure.com").expect("a URL");
        for id in ["https://evil.example/x", "//evil.example/x", "/subscriptions/../x", "/subscriptions/a?b"]
        {
            assert!(nic_call(&root, id).is_err(), "{id}");
        }
        let call = nic_call(
            &root,
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkInterfaces/n",
        );
        let url = call.expect("an id").url;
        assert_eq!(url.host_str(), Some("management.azure.com"));
        assert!(url.query().is_some_and(|query| query.contains("api-version=2024-05-01")), "{url}");
    }
}
