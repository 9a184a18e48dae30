//! Lists in pages. The `Link` header is followed; page numbers are never computed.

use std::collections::BTreeMap;

use azlin_fleet::model::{CallError, CallErrorKind};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::http::{GitHubCall, Http};

/// The most pages of a list. GitHub allows 10,000 runners in a group, which are 100 pages.
const MOST_PAGES: usize = 500;

/// One page of a list.
pub(crate) trait ListPage: Serialize + DeserializeOwned + Send {
    type Item: Send;
    /// The most items that GitHub returns of such a list, whatever its total.
    const MOST: u64 = u64::MAX;
    /// How many items the whole list has, as this page states.
    fn total_count(&self) -> u64;
    fn items(self) -> Vec<Self::Item>;
    /// GitHub's id of an item.
    fn id(item: &Self::Item) -> u64;
}

/// A list, all pages, each item once.
#[derive(Debug)]
pub(crate) struct List<T> {
    pub(crate) items: BTreeMap<u64, T>,
    /// How many items there are, as the last page states.
    pub(crate) total_count: u64,
    /// Whether every page stated the same total. Where not, the list changed while it was read, and an item
    /// between two pages may be missing.
    pub(crate) steady: bool,
}

impl<T> List<T> {
    /// Whether it holds all items, of which GitHub returns at most `most`.
    pub(crate) fn has_all(&self, most: u64) -> bool {
        self.items.len() as u64 >= self.total_count.min(most)
    }
}

/// Reads a list from its first page on. A list that changed meanwhile is read once more, and the result has
/// the items of both: an item that is gone does no harm, and a missing one could.
pub(crate) async fn all<P: ListPage>(http: &Http, first: GitHubCall) -> Result<List<P::Item>, CallError> {
    let found = once::<P>(http, first.clone()).await?;
    if found.steady && found.has_all(P::MOST) {
        return Ok(found);
    }
    let again = once::<P>(http, first).await?;
    if again.steady && again.has_all(P::MOST) {
        return Ok(again);
    }
    let mut items = found.items;
    items.extend(again.items);
    Ok(List { items, ..again })
}

async fn once<P: ListPage>(http: &Http, first: GitHubCall) -> Result<List<P::Item>, CallError> {
    let mut call = first;
    let mut list = List { items: BTreeMap::new(), total_count: 0, steady: true };
    for page in 0..MOST_PAGES {
        let (part, next) = http.page::<P>(&call).await?;
        list.steady &= page == 0 || list.total_count == part.total_count();
        list.total_count = part.total_count();
        let known = list.items.len();
        list.items.extend(part.items().into_iter().map(|item| (P::id(&item), item)));
        match next {
            // A chain of links that leads in a circle brings nothing new. The total says whether anything is missing.
            Some(link) if page == 0 || list.items.len() > known => call.url = follow(http, &call, &link)?,
            _ => return Ok(list),
        }
    }
    let why = format!("the list has no end after {MOST_PAGES} pages");
    Err(CallError::new(CallErrorKind::Invalid, why).during(&call))
}

pub(crate) fn follow(http: &Http, call: &GitHubCall, link: &str) -> Result<Url, CallError> {
    match call.url.join(link) {
        Ok(url) if http.api.has_same_origin(&url) => Ok(url),
        _ => Err(CallError::new(
            CallErrorKind::Invalid,
            "the link to the next page leads to another host, where the token is not sent: check api_url",
        )
        .during(call)),
    }
}
