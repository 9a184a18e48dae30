//! One call to the resource manager: authorised, sent, counted, tried again, and held back while Azure asks
//! to wait.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use azlin_fleet::model::{CallOutcome, ForeignText};
use azlin_http::{
    ApiClient, FailedTry, HttpReply, HttpRequest, HttpTransport, PATIENCE, RequestEffect, retry_after,
};
use azure_core_1::credentials::Secret;
use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderMap;
use tokio::time::sleep;
use url::Url;

use crate::answer::is_documented;
use crate::bearer::Bearer;
use crate::error::{ArmEffect, ArmError, ArmRefusal, How};
use crate::gates::{Counted, Extent, Gates};
use crate::model::CreateApi;
use crate::remaining::{BudgetsSeen, OF_OPERATIONS, left_of, of_operations};

/// The most requests in flight, over all subscriptions.
const AT_ONCE: usize = 64;

/// A request to the resource manager, with the parts that the generated client must not see.
#[derive(Debug)]
pub(crate) struct ArmCall {
    pub(crate) method: Method,
    pub(crate) url: Url,
    /// Without the authorization.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Texts in the body that no message may show.
    pub(crate) secrets: Vec<String>,
}

impl ArmCall {
    /// A call without a body.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        ArmCall { method, url, headers: HeaderMap::new(), body: Bytes::new(), secrets: Vec::new() }
    }
}

impl fmt::Display for ArmCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.url.path())
    }
}

/// The resource manager.
#[derive(Debug)]
pub(crate) struct Arm {
    root: Url,
    pub(crate) client: ApiClient,
    pub(crate) bearer: Bearer,
    gates: Gates,
    pub(crate) budgets: BudgetsSeen,
    /// Whether this cloud lacks the newest API version that VMs are created with.
    is_older: AtomicBool,
}

impl Arm {
    pub(crate) fn new(
        root: Url,
        transport: Arc<HttpTransport>,
        bearer: Bearer,
        first_pause: Duration,
    ) -> Self {
        let client = ApiClient::new("Azure", transport, AT_ONCE, first_pause);
        Arm {
            root,
            client,
            bearer,
            gates: Gates::default(),
            budgets: BudgetsSeen::default(),
            is_older: AtomicBool::new(false),
        }
    }

    pub(crate) fn root(&self) -> &Url {
        &self.root
    }

    /// The API version that VMs are created with.
    pub(crate) fn create_api(&self) -> CreateApi {
        if self.is_older.load(Ordering::Relaxed) { CreateApi::Older } else { CreateApi::Newest }
    }

    /// Takes in that this cloud refused the newest API version.
    pub(crate) fn create_with_older_api(&self, error: &ArmError) {
        if !self.is_older.swap(true, Ordering::Relaxed) {
            let (newest, older) = (CreateApi::Newest.as_str(), CreateApi::Older.as_str());
            tracing::warn!(
                reason = %error,
                "this cloud has no version {newest} of Azure's API for VMs; VMs are created with {older}, and their network \
                 interfaces and addresses have no tags: {error}"
            );
        }
    }

    /// Sends a request until it has the documented success, or an error that another try would not change.
    pub(crate) async fn send(&self, call: &ArmCall) -> Result<HttpReply, ArmError> {
        if call.url.origin() != self.root.origin() {
            let why =
                "the link to the next page leads to another host, where the token is not sent".to_owned();
            return Err(ArmError {
                how: How::NoAnswer { was_sent: false, is_cut: false, why },
                may_be_done: false,
            });
        }
        let counted = Counted::of(&call.method, &call.url);
        let mut attempts = self.client.attempts(repeats(counted.effect()), None);
        let mut has_new_token = false;
        loop {
            while let Some(wait) = self.gates.shut_for(&counted) {
                if wait > PATIENCE {
                    return Err(ArmError { how: How::HeldBack(wait), may_be_done: attempts.may_be_done() });
                }
                sleep(wait).await;
            }
            attempts.begin();
            let token = match self.bearer.token().await {
                Ok(token) => token,
                Err(error) => {
                    return Err(ArmError { how: How::NoToken(error), may_be_done: attempts.may_be_done() });
                }
            };
            let how = match self.try_once(call, &token).await {
                Ok(answer) => {
                    self.client.traffic.ended(CallOutcome::of(answer.status.as_u16(), false));
                    return Ok(answer);
                }
                Err(how) => how,
            };
            match &how {
                How::Refused(refusal) => {
                    self.client.traffic.ended(CallOutcome::of(refusal.status, false));
                }
                How::NoAnswer { is_cut: true, .. } => self.client.traffic.ended(CallOutcome::Cut),
                How::NoAnswer { .. } => self.client.traffic.ended(CallOutcome::NoAnswer),
                How::HeldBack(_) | How::NoToken(_) => {}
            }
            if let How::Refused(ArmRefusal { status: 401, .. }) = how
                && !has_new_token
                && self.bearer.renew(&token).await
            {
                has_new_token = true;
                continue;
            }
            let error = ArmError { how, may_be_done: attempts.may_be_done() };
            let failure = match &error.how {
                How::Refused(refusal) => {
                    if refusal.holds_back() {
                        let wait = refusal.retry_after.unwrap_or(UNTOLD_WAIT);
                        self.gates.shut(&counted, refusal.extent, wait);
                    }
                    if refusal.is_settled() {
                        return Err(error);
                    }
                    FailedTry::Status(refusal.status, refusal.retry_after)
                }
                How::NoAnswer { was_sent: true, .. } => FailedTry::Lost,
                How::NoAnswer { was_sent: false, .. } => FailedTry::NotSent,
                How::HeldBack(_) | How::NoToken(_) => return Err(error),
            };
            if !attempts.again(failure, leaves_doubt(failure), call, &error).await {
                return Err(error);
            }
        }
    }

    async fn try_once(&self, call: &ArmCall, token: &Secret) -> Result<HttpReply, How> {
        let _turn = self.client.turn().await;
        let request = HttpRequest {
            headers: call.headers.clone(),
            bearer: Some(token.secret()),
            body: Some(call.body.clone()),
            ..HttpRequest::new(call.method.clone(), &call.url)
        };
        let reply = self.client.send_in_turn(request).await.map_err(How::from)?;
        self.budgets.saw(Counted::of(&call.method, &call.url).subscription(), &reply.headers);
        if is_documented(&call.method, &reply) {
            return Ok(reply);
        }
        if !reply.status.is_client_error() && !reply.status.is_server_error() {
            let why = format!("{}, which is not what Azure documents", reply.status);
            return Err(How::NoAnswer { was_sent: true, is_cut: false, why });
        }
        let mut secrets: Vec<&str> = call.secrets.iter().map(String::as_str).collect();
        secrets.push(token.secret());
        let wait = retry_after(&reply.headers);
        let mut refusal = ArmRefusal::new(reply.status.as_u16(), &reply.body, wait, &secrets);
        if refusal.extent != Extent::Resource {
            refusal.extent = extent(&reply.headers);
        }
        Err(How::Refused(refusal))
    }
}

/// Every write may be sent twice: a creation has `If-None-Match: *`, an update sets the same text, and a second
/// removal removes nothing more.
fn repeats(effect: ArmEffect) -> RequestEffect {
    match effect {
        ArmEffect::Reads => RequestEffect::Reads,
        ArmEffect::Creates | ArmEffect::Updates | ArmEffect::Deletes => RequestEffect::WritesOnce,
    }
}

/// Whether Azure may have carried out a failed try.
fn leaves_doubt(failure: FailedTry) -> bool {
    match failure {
        FailedTry::NotSent => false,
        FailedTry::Lost => true,
        FailedTry::Status(status, _) => status >= 500 && status != 503,
    }
}

/// The wait after a rate limit without a stated time.
const UNTOLD_WAIT: Duration = Duration::from_secs(15);

/// The scope of a rate limit. A resource provider names its own budgets; the resource manager does not. Compute's
/// budgets of one VM end in "Resource": `Microsoft.Compute/DeleteVMResource`.
fn extent(headers: &HeaderMap) -> Extent {
    if ["reads", "global-reads", "writes", "deletes"]
        .into_iter()
        .any(|kind| left_of(headers, kind) == Some(0))
    {
        return Extent::Subscription;
    }
    let used_up: Vec<ForeignText> =
        of_operations(headers).filter(|(_, left)| *left == 0).map(|(name, _)| name).collect();
    if !used_up.is_empty() && used_up.iter().all(|name| name.ends_with("Resource")) {
        Extent::Resource
    } else if headers.contains_key(OF_OPERATIONS) {
        Extent::Operation
    } else {
        Extent::Subscription
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn what_a_rate_limit_is_about() {
        let of = |kind: &str| format!("x-ms-ratelimit-remaining-{kind}");
        let (resource, reads, global) =
            (of("resource"), of("subscription-reads"), of("subscription-global-reads"));
        for (headers, expected) in [
            (&[][..], Extent::Subscription),
            (&[(&reads, "0")][..], Extent::Subscription),
            (&[(&global, "0"), (&resource, "Microsoft.Compute/HighCostGet;7")][..], Extent::Subscription),
            (&[(&resource, "Microsoft.Compute/HighCostGet;0")][..], Extent::Operation),
            (&[(&reads, "248"), (&resource, "Microsoft.Compute/HighCostGet;0")][..], Extent::Operation),
            (&[(&resource, "")][..], Extent::Operation),
            (
                &[
                    (&resource, "Microsoft.Compute/DeleteVM3Min;0"),
                    (&resource, "Microsoft.Compute/DeleteVM30Min;580"),
                ][..],
                Extent::Operation,
            ),
            (
                &[(
                    &resource,
                    "Microsoft.Compute/DeleteVMSubscription;499,Microsoft.Compute/DeleteVMResource;0",
                )][..],
                Extent::Resource,
            ),
            (
                &[(
                    &resource,
                    "Microsoft.Compute/DeleteVMSubscription;0,Microsoft.Compute/DeleteVMResource;0",
                )][..],
                Extent::Operation,
            ),
        ] {
            let headers: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (HeaderName::try_from(name.as_str()).expect("valid"), HeaderValue::from_static(value))
                })
                .collect();
            assert_eq!(extent(&headers), expected, "{headers:?}");
        }
    }
}
