//! Lists that come in pages. Azure states no total, so a list whose links lead in a circle is not whole.

use std::collections::HashSet;

use reqwest::Method;
use url::Url;

use crate::arm::{Arm, ArmCall};
use crate::error::ArmError;

/// The most pages of a list: a subscription has at most 25,000 VMs in a region.
const MOST_PAGES: usize = 2_000;

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
    let mut pages = Pages { items: Vec::new(), count: 0 };
    let (mut next, mut links) = (Some(first), PageLinks::default());
    while let Some(url) = next {
        let answer = arm.send(&ArmCall::new(Method::GET, url)).await?;
        let (items, link) = read(&answer.body)?;
        pages.items.extend(items);
        pages.count += 1;
        next = links.lead_to(link.as_deref().unwrap_or_default())?;
    }
    Ok(pages)
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
            return Err(ArmError::unreadable(format!("the list has no end after {MOST_PAGES} pages")));
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
