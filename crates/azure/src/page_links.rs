//! The links from page to page of a list. Azure states no total, so a list whose links lead in a circle is not whole.

use std::collections::HashSet;

use crate::error::ArmError;

/// The most pages of a list: a subscription has at most 25,000 VMs in a region.
const MOST_PAGES: usize = 2_000;

/// The links of a list so far.
#[derive(Debug, Default)]
pub(crate) struct PageLinks(HashSet<String>);

impl PageLinks {
    /// A page leads to the next one, or with an empty link to none.
    pub(crate) fn lead_to(&mut self, link: &str) -> Result<(), ArmError> {
        if link.is_empty() {
            return Ok(());
        }
        if !self.0.insert(link.to_owned()) {
            return Err(ArmError::unreadable("the pages of the list lead in a circle"));
        }
        if self.0.len() >= MOST_PAGES {
            return Err(ArmError::unreadable(format!("the list has no end after {MOST_PAGES} pages")));
        }
        Ok(())
    }
}
