//! Links that people follow: to a job at GitHub, to a VM in the Azure portal.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::model::ResourceGroup;

/// The longest link that is shown.
const LONGEST: usize = 300;

/// A link that may be shown and followed: HTTPS, without a name or password, in plain characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebLink(#[serde(deserialize_with = "checked")] String);

/// A link of another's making; the text of a file is checked again.
fn checked<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    match WebLink::parse(&text) {
        Some((link, _)) => Ok(link.0),
        None => Err(serde::de::Error::custom("not a link to a page over HTTPS")),
    }
}

impl WebLink {
    /// The link, if it leads to a page of the site, `https://github.com`, and has nothing odd.
    pub fn on_site(text: &str, site: &Url) -> Option<WebLink> {
        let (link, url) = WebLink::parse(text)?;
        (url.origin() == site.origin()).then_some(link)
    }

    fn parse(text: &str) -> Option<(WebLink, Url)> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&()*+,;=%".contains(c);
        if text.len() > LONGEST || !text.starts_with("https://") || !text.chars().all(is_plain) {
            return None;
        }
        let url = Url::parse(text).ok()?;
        let has_user = !url.username().is_empty() || url.password().is_some();
        (!has_user && url.host_str().is_some()).then(|| (WebLink(text.to_owned()), url))
    }

    /// The link as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The portal of an Azure cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AzurePortal(&'static str);

impl AzurePortal {
    /// The portal that belongs to a Resource Manager; `None` for one that is no cloud of Azure's, such as a simulator.
    /// Microsoft's documentation: Azure Government, "Compare Azure Government and global Azure"; Azure China,
    /// "Check endpoints in Azure".
    pub fn of(resource_manager: &Url) -> Option<AzurePortal> {
        match resource_manager.host_str()? {
            "management.azure.com" => Some(AzurePortal("https://portal.azure.com")),
            "management.usgovcloudapi.net" => Some(AzurePortal("https://portal.azure.us")),
            "management.chinacloudapi.cn" => Some(AzurePortal("https://portal.azure.cn")),
            _ => None,
        }
    }

    /// The page of a VM.
    pub fn vm(self, group: &ResourceGroup, name: &str) -> Option<WebLink> {
        let (subscription, group) = (&group.subscription_id, &group.name);
        let text = format!(
            "{}/#@/resource/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Compute/virtualMachines/{name}",
            self.0
        );
        WebLink::parse(&text).map(|(link, _)| link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_pages_of_the_site_itself_are_links() {
        let site = Url::parse("https://github.com").expect("a URL");
        for (text, is_taken) in [
            ("https://github.com/o/r/actions/runs/1/job/2", true),
            ("https://github.com/o/r/actions/runs/1/job/2?pr=3#step:4:5", true),
            ("https://github.com:443/o/r", true),
            ("http://github.com/o/r", false),
            ("https://github.com.evil.example/o/r", false),
            ("https://evil.example/github.com", false),
            ("https://github.com@evil.example/", false),
            ("https://user:pw@github.com/", false),
            ("https://github.com:8443/o/r", false),
            ("javascript:alert(1)//https://github.com", false),
            ("HTTPS://github.com/o", false),
            ("https://github.com/\"onclick=\"x", false),
            ("https://github.com/<b>", false),
            ("https://github.com/a b", false),
            ("https://github.com/\u{202e}x", false),
            ("https://github.com/\u{fffd}", false),
            ("https://github.com\\evil.example/", false),
            ("", false),
        ] {
            assert_eq!(WebLink::on_site(text, &site).is_some(), is_taken, "{text}");
        }
        assert_eq!(WebLink::on_site(&format!("https://github.com/{}", "a".repeat(300)), &site), None);
    }

    #[test]
    fn a_link_of_a_file_is_checked_again() {
        let read = |text: &str| serde_json::from_value::<WebLink>(text.into());
        assert!(read("https://github.com/o/r").is_ok());
        for text in ["javascript:alert(1)", "http://github.com/", "https://a@b/", "https://x/\u{1b}[2J"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn each_cloud_has_its_portal() {
        let group = ResourceGroup {
            subscription_id: "00000000-0000-0000-0000-000000000000".into(),
            name: "ci".into(),
        };
        for (manager, host) in [
            ("https://management.azure.com", Some("https://portal.azure.com/")),
            ("https://management.usgovcloudapi.net/", Some("https://portal.azure.us/")),
            ("https://management.chinacloudapi.cn", Some("https://portal.azure.cn/")),
            ("http://127.0.0.1:8080", None),
        ] {
            let portal = AzurePortal::of(&Url::parse(manager).expect("a URL"));
            let link = portal.and_then(|portal| portal.vm(&group, "ci-1"));
            let expected = host.map(|host| {
                format!(
                    "{host}#@/resource/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/ci/providers/\
                     Microsoft.Compute/virtualMachines/ci-1"
                )
            });
            assert_eq!(link.as_ref().map(WebLink::as_str), expected.as_deref(), "{manager}");
        }
    }
}
