//! VMs that have lost our tags. A policy of the subscription may strip or rewrite tags, and so may a person.

use crate::model::{ForeignText, Vm};

/// A VM whose name has the form of ours, and whose tags do not say whose it is.
pub type UntaggedVm = Vm<TagsLeft>;

/// What is left of our tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagsLeft {
    /// The tags of ours that are absent. Empty if they are there with other values.
    pub lost: Vec<&'static str>,
    /// The VM's host key, if that tag is there.
    pub host_key: Option<ForeignText>,
}
