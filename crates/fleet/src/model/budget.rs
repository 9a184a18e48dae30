//! Rate limits of GitHub and Azure, as their last answers reported them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::ForeignText;

/// GitHub's primary rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Requests allowed in the window.
    pub limit: u64,
    /// Requests left in the window.
    pub remaining: u64,
    /// When the window ends.
    pub reset: Timestamp,
}

/// What is left of Azure's rate limits for the subscription. Each is absent until an answer reports it. Azure does not
/// say how large a bucket is: 249 reads may be all of one region's 250, beside 3,749 of all regions' 3,750.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Remaining {
    /// `x-ms-ratelimit-remaining-subscription-reads`: of the region that answered.
    pub reads: Option<u64>,
    /// `x-ms-ratelimit-remaining-subscription-global-reads`: of all regions. Lists of a subscription count here alone.
    #[serde(default)]
    pub global_reads: Option<u64>,
    /// `x-ms-ratelimit-remaining-subscription-writes`.
    pub writes: Option<u64>,
    /// `x-ms-ratelimit-remaining-subscription-deletes`.
    pub deletes: Option<u64>,
    /// `x-ms-ratelimit-remaining-resource`: the limits of single operations, such as
    /// `Microsoft.Compute/GetVM3Min`.
    #[serde(default)]
    pub operations: BTreeMap<ForeignText, u64>,
}

/// The rate limits of GitHub and Azure.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budgets {
    /// GitHub's rate limit for the first credential. Absent until an answer reports it.
    pub github: Option<Budget>,
    /// The rate limit of each further credential, by its name.
    #[serde(default)]
    pub credentials: BTreeMap<String, Budget>,
    /// What is left of Azure's rate limits.
    pub azure: Remaining,
}
