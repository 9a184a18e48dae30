//! Rate limits of GitHub and Azure, as their last answers told them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// GitHub's primary rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Requests in the window.
    pub limit: u64,
    /// What is left of them.
    pub remaining: u64,
    /// When the window ends.
    pub reset: Timestamp,
}

/// What is left of Azure's budgets for the subscription. Each is absent until an answer names it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Remaining {
    /// `x-ms-ratelimit-remaining-subscription-reads`.
    pub reads: Option<u64>,
    /// `x-ms-ratelimit-remaining-subscription-writes`.
    pub writes: Option<u64>,
    /// `x-ms-ratelimit-remaining-subscription-deletes`.
    pub deletes: Option<u64>,
    /// `x-ms-ratelimit-remaining-resource`: those of single operations, such as `Microsoft.Compute/GetVM3Min`.
    #[serde(default)]
    pub operations: BTreeMap<String, u64>,
}

/// Both.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budgets {
    /// GitHub's, once an answer told it: that of the first credential.
    pub github: Option<Budget>,
    /// That of each further credential, by its name.
    #[serde(default)]
    pub credentials: BTreeMap<String, Budget>,
    /// Azure's.
    pub azure: Remaining,
}
