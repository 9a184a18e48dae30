//! What `check` asks: the identity, its permissions, and whether the resources that fleets name exist.
//! Nothing is changed.

mod images;
mod wire;

use async_trait::async_trait;
use azlin_fleet::model::{Advice, CallError, CallErrorKind, ForeignText, Image, ResourceGroup};
use azlin_fleet::ports::preflight::{
    Access, AzurePreflight, Grant, ImageFacts, Principal, Size, Subnet, Subscription, Usage,
};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use reqwest::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use url::Url;

use crate::answer::undocumented;
use crate::arm::ArmCall;
use crate::client::AzureClient;
use crate::error::{ArmEffect, ArmError, How, call_error};
use crate::page_links::all_pages;
use crate::reach::NETWORK_API;

const AUTHORIZATION_API: &str = "2022-04-01";
const COMPUTE_API: &str = "2024-07-01";
const RESOURCES_API: &str = "2022-12-01";
const SKUS_API: &str = "2021-07-01";

/// A question in words, and the action that it needs.
#[derive(Clone, Copy)]
struct Question<'q> {
    what: &'q str,
    needs: &'static str,
}

impl AzureClient {
    /// The URL of a resource by its id, or of something below it.
    fn at(&self, question: Question<'_>, id: &str, rest: &[&str], version: &str) -> Result<Url, CallError> {
        let fits = |c: char| c.is_alphanumeric() || "/-_.()".contains(c);
        let is_id = id.to_ascii_lowercase().starts_with("/subscriptions/");
        if !is_id || !id.chars().all(fits) || id.contains("..") {
            let why = format!("{id:?} is no id of a resource");
            return Err(CallError::new(CallErrorKind::Invalid, why).during(question.what));
        }
        let mut url = self.arm.root().clone();
        url.set_path(id);
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(rest);
        }
        url.query_pairs_mut().append_pair("api-version", version);
        Ok(url)
    }

    async fn read<T: DeserializeOwned>(&self, question: Question<'_>, url: Url) -> Result<T, CallError> {
        let answer = self
            .arm
            .send(&ArmCall::new(Method::GET, url))
            .await
            .map_err(|error| self.failed(question, &error))?;
        serde_json::from_slice(&answer.body).map_err(|error| {
            let why = format!("the answer is not what Azure documents: {error}");
            CallError::new(CallErrorKind::Unavailable, why).during(question.what)
        })
    }

    /// All pages of a list.
    async fn list<T: DeserializeOwned>(
        &self,
        question: Question<'_>,
        first: Url,
    ) -> Result<Vec<T>, CallError> {
        let pages = all_pages(&self.arm, first, |body| {
            let page: wire::PageJson<T> =
                serde_json::from_slice(body).map_err(|error| undocumented(&error))?;
            Ok((page.value, page.next_link))
        });
        pages.await.map(|pages| pages.items).map_err(|error| self.failed(question, &error))
    }

    /// The error of a question. A refusal names the one action that is missing.
    fn failed(&self, question: Question<'_>, error: &ArmError) -> CallError {
        let known = call_error(question.what, ArmEffect::Reads, self.credential(), error);
        match &error.how {
            How::Refused(refusal) if refusal.status == 403 => {
                known.advise(Advice::GrantAction(question.needs))
            }
            _ => known,
        }
    }
}

#[async_trait]
impl AzurePreflight for AzureClient {
    async fn principal(&self) -> Result<Principal, CallError> {
        let token = self.arm.bearer.token().await?;
        Ok(claims(token.secret()).unwrap_or_default())
    }

    async fn subscription(&self, subscription_id: &str) -> Result<Subscription, CallError> {
        let what = format!("read subscription {subscription_id}");
        let question = Question { what: &what, needs: "Microsoft.Resources/subscriptions/read" };
        let url = self.at(question, &format!("/subscriptions/{subscription_id}"), &[], RESOURCES_API)?;
        let found: wire::SubscriptionJson = self.read(question, url).await?;
        Ok(Subscription { name: found.display_name, state: found.state })
    }

    async fn may_read_power_states(&self, subscription_id: &str) -> Result<Access, CallError> {
        let what = format!("list power states of {subscription_id}");
        let question = Question { what: &what, needs: "Microsoft.Compute/virtualMachines/read" };
        let rest = ["providers", "Microsoft.Compute", "virtualMachines"];
        let mut url = self.at(question, &format!("/subscriptions/{subscription_id}"), &rest, COMPUTE_API)?;
        url.query_pairs_mut().append_pair("statusOnly", "true");
        match self.read::<wire::PageJson<IgnoredAny>>(question, url).await {
            Ok(_) => Ok(Access::Granted),
            Err(error) if error.kind == CallErrorKind::NotPermitted => Ok(Access::Denied(None)),
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(Access::Hidden),
            Err(error) => Err(error),
        }
    }

    async fn resource_group(&self, group: &ResourceGroup) -> Result<ForeignText, CallError> {
        let what = format!("read resource group {}", group.name);
        let question =
            Question { what: &what, needs: "Microsoft.Resources/subscriptions/resourceGroups/read" };
        let url = self.at(question, &group.id(), &[], RESOURCES_API)?;
        let found: wire::Located = self.read(question, url).await?;
        Ok(wire::plain_location(&found.location))
    }

    async fn grants(&self, scope_id: &str) -> Result<Vec<Grant>, CallError> {
        let name = scope_id.rsplit('/').next().unwrap_or_default();
        let what = format!("read permissions on {name}");
        let question = Question { what: &what, needs: "Microsoft.Authorization/permissions/read" };
        let rest = ["providers", "Microsoft.Authorization", "permissions"];
        let url = self.at(question, scope_id, &rest, AUTHORIZATION_API)?;
        let found: Vec<wire::Permission> = self.list(question, url).await?;
        Ok(found.into_iter().map(Grant::from).collect())
    }

    async fn sizes(&self, subscription_id: &str, location: &str) -> Result<Vec<Size>, CallError> {
        let what = format!("list sizes in {location}");
        let question = Question { what: &what, needs: "Microsoft.Compute/skus/read" };
        let rest = ["providers", "Microsoft.Compute", "skus"];
        let mut url = self.at(question, &format!("/subscriptions/{subscription_id}"), &rest, SKUS_API)?;
        url.query_pairs_mut().append_pair("$filter", &format!("location eq '{location}'"));
        // As every SDK of Azure writes a space.
        url.set_query(url.query().map(|query| query.replace('+', "%20")).as_deref());
        let found: Vec<wire::Sku> = self.list(question, url).await?;
        let sizes =
            found.into_iter().filter(|sku| sku.resource_type == "virtualMachines" && sku.is_in(location));
        Ok(sizes.map(|sku| sku.size(location)).collect())
    }

    async fn usages(&self, subscription_id: &str, location: &str) -> Result<Vec<Usage>, CallError> {
        let what = format!("read quotas in {location}");
        let question = Question { what: &what, needs: "Microsoft.Compute/locations/usages/read" };
        let rest = ["providers", "Microsoft.Compute", "locations", location, "usages"];
        let url = self.at(question, &format!("/subscriptions/{subscription_id}"), &rest, COMPUTE_API)?;
        let found: Vec<wire::UsageJson> = self.list(question, url).await?;
        Ok(found.into_iter().map(Usage::from).collect())
    }

    async fn image(
        &self,
        subscription_id: &str,
        location: &str,
        image: &Image,
    ) -> Result<ImageFacts, CallError> {
        images::image(self, subscription_id, location, image).await
    }

    async fn security_group(&self, nsg_id: &str) -> Result<ForeignText, CallError> {
        let what = format!("read network security group {}", nsg_id.rsplit('/').next().unwrap_or_default());
        let question = Question { what: &what, needs: "Microsoft.Network/networkSecurityGroups/read" };
        let found: wire::Located = self.read(question, self.at(question, nsg_id, &[], NETWORK_API)?).await?;
        Ok(wire::plain_location(&found.location))
    }

    async fn subnet(&self, subnet_id: &str) -> Result<Subnet, CallError> {
        let name = subnet_id.rsplit('/').next().unwrap_or_default();
        let what = format!("read subnet {name}");
        let question = Question { what: &what, needs: "Microsoft.Network/virtualNetworks/subnets/read" };
        let found: wire::SubnetJson =
            self.read(question, self.at(question, subnet_id, &[], NETWORK_API)?).await?;
        // An identity that may join a subnet may still not see its network.
        let network = subnet_id.rsplit_once("/subnets/").map_or(subnet_id, |(network, _)| network);
        let question = Question { what: &what, needs: "Microsoft.Network/virtualNetworks/read" };
        let network = self.read(question, self.at(question, network, &[], NETWORK_API)?).await;
        let location = network.ok().map(|found: wire::Located| wire::plain_location(&found.location));
        Ok(found.properties.subnet(location))
    }
}

/// The identity that a token names. It is shown, and trusted for nothing.
pub(crate) fn claims(token: &str) -> Option<Principal> {
    #[derive(Deserialize)]
    struct ClaimsJson {
        upn: Option<ForeignText>,
        unique_name: Option<ForeignText>,
        appid: Option<ForeignText>,
        azp: Option<ForeignText>,
        oid: Option<ForeignText>,
    }
    let payload = BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: ClaimsJson = serde_json::from_slice(&payload).ok()?;
    // A user signs in through an application of another owner.
    let user = claims.upn.or(claims.unique_name);
    let client_id = if user.is_some() { None } else { claims.appid.or(claims.azp) };
    Some(Principal { user, client_id, object_id: claims.oid })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_a_token_says_that_we_are() {
        let token = |payload: &str| format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(payload));
        let told = |user: Option<&str>, client: Option<&str>, object: Option<&str>| {
            let owned = |text: Option<&str>| text.map(ForeignText::from);
            Some(Principal { user: owned(user), client_id: owned(client), object_id: owned(object) })
        };
        for (token, expected) in [
            (token(r#"{"appid":"a","oid":"o","aud":["x"]}"#), told(None, Some("a"), Some("o"))),
            (token(r#"{"azp":"a","oid":"o"}"#), told(None, Some("a"), Some("o"))),
            (token(r#"{"upn":"u@x","appid":"cli","oid":"o"}"#), told(Some("u@x"), None, Some("o"))),
            (token(r#"{"unique_name":"u@x"}"#), told(Some("u@x"), None, None)),
            (token(r#"{"upn":"u@x","unique_name":"n@x","oid":"o"}"#), told(Some("u@x"), None, Some("o"))),
            (token("{}"), told(None, None, None)),
            ("opaque".to_owned(), None),
            ("a.b.c".to_owned(), None),
        ] {
            assert_eq!(claims(&token), expected, "{token}");
        }
    }
}
