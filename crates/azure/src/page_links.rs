//! Lists that come in pages. Azure states no total, so a list whose links lead in a circle is not whole. A list has a
//! largest number of pages, items and bytes, and a time limit: an endless one would fill the memory, or the day.

use std::collections::HashSet;
use std::time::Duration;

use azlin_fleet::model::CallOutcome;
use reqwest::Method;
use url::Url;

use crate::arm::{Arm, ArmCall};
use crate::error::{ArmError, How};

/// The most pages of a list: a subscription has at most 25,000 VMs in a region.
const MOST_PAGES: usize = 2_000;
/// The most items of a list.
const MOST_ITEMS: usize = 200_000;
/// The most bytes of all pages of a list.
const MOST_BYTES: usize = 1024 * 1024 * 1024;
/// The longest that reading a list may take.
const LONGEST: Duration = Duration::from_secs(4 * 60);

/// A whole list.
#[derive(Debug)]
pub(crate) struct Pages<T> {
    pub(crate) items: Vec<T>,
    /// How many requests it took.
    pub(crate) count: usize,
}

/// Reads all pages of a list. `read` gives the items of a page and the link to the next one.
pub(crate) async fn all_pages<T>(
    arm: &Arm,
    first: Url,
    read: impl Fn(&[u8]) -> Result<(Vec<T>, Option<String>), ArmError>,
) -> Result<Pages<T>, ArmError> {
    let list = tokio::time::timeout(LONGEST, in_time(arm, first, read)).await;
    let list = list.unwrap_or_else(|_| Err(ArmError::cut(format!("the list takes longer than {LONGEST:?}"))));
    list.inspect_err(|error| {
        if matches!(error.how, How::NoAnswer { is_cut: true, .. }) {
            arm.client.traffic.ended(CallOutcome::Cut);
        }
    })
}

async fn in_time<T>(
    arm: &Arm,
    first: Url,
    read: impl Fn(&[u8]) -> Result<(Vec<T>, Option<String>), ArmError>,
) -> Result<Pages<T>, ArmError> {
    let mut pages = Pages { items: Vec::new(), count: 0 };
    let (mut next, mut links, mut bytes) = (Some(first), PageLinks::default(), 0);
    while let Some(url) = next {
        let answer = arm.send(&ArmCall::new(Method::GET, url)).await?;
        let (items, link) = read(&answer.body)?;
        bytes += answer.body.len();
        pages.items.extend(items);
        pages.count += 1;
        within(pages.items.len(), bytes)?;
        next = links.lead_to(link.as_deref().unwrap_or_default())?;
    }
    Ok(pages)
}

/// Whether a list may have so many items and bytes.
fn within(items: usize, bytes: usize) -> Result<(), ArmError> {
    match (items, bytes) {
        (items, _) if items > MOST_ITEMS => {
            Err(ArmError::cut(format!("the list has more than {MOST_ITEMS} items")))
        }
        (_, bytes) if bytes > MOST_BYTES => {
            Err(ArmError::cut(format!("the list has more than {MOST_BYTES} bytes")))
        }
        _ => Ok(()),
    }
}

/// The links of a list so far.
#[derive(Debug, Default)]
pub(crate) struct PageLinks(HashSet<String>);

impl PageLinks {
    /// The page that a link leads to; `None` for an empty link.
    pub(crate) fn lead_to(&mut self, link: &str) -> Result<Option<Url>, ArmError> {
        if link.is_empty() {
            return Ok(None);
        }
        if !self.0.insert(link.to_owned()) {
            return Err(ArmError::unreadable("the pages of the list lead in a circle"));
        }
        if self.0.len() >= MOST_PAGES {
            return Err(ArmError::cut(format!("the list has no end after {MOST_PAGES} pages")));
        }
        let url =
            Url::parse(link).map_err(|_| ArmError::unreadable("the link to the next page is no URL"))?;
        Ok(Some(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_has_a_largest_size() {
        assert_eq!(within(MOST_ITEMS, MOST_BYTES), Ok(()));
        for (items, bytes) in [(MOST_ITEMS + 1, 0), (0, MOST_BYTES + 1)] {
            let error = within(items, bytes).expect_err("too large");
            assert!(matches!(error.how, How::NoAnswer { is_cut: true, .. }), "{error}");
        }
    }

    #[test]
    fn links_lead_on_and_never_in_a_circle() {
        let mut links = PageLinks::default();
        let link = "https://management.azure.com:443/x?api-version=1&%24skiptoken=A";
        let next = links.lead_to(link).expect("a link").expect("a page");
        let root = Url::parse("https://management.azure.com").expect("a URL");
        assert_eq!(next.origin(), root.origin(), "its own port is the same place");
        assert_eq!(links.lead_to(""), Ok(None));
        for bad in [link, "/x?%24skiptoken=B"] {
            links.lead_to(bad).expect_err(bad);
        }
    }
}
