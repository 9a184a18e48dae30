//! Lists in pages. The `Link` header is followed; page numbers are never computed. A page has at most the items that were
//! asked for, and a list a largest number of items and bytes and a time limit: what has no end would fill the memory, or
//! the day.

use std::collections::BTreeMap;
use std::time::Duration;

use azlin_fleet::model::{Advice, CallError, CallErrorKind, CallOutcome};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::http::{GitHubCall, Http};

/// The most items of a list. GitHub allows 10,000 runners in a group; an organisation may have more repositories.
const MOST_ITEMS: usize = 50_000;
/// The most bytes of all pages of a list.
const MOST_BYTES: usize = 512 * 1024 * 1024;
/// The items of a page where a call asks for no number.
const USUAL_PER_PAGE: usize = 30;
/// The longest that reading a list may take, the second time included.
const LONGEST: Duration = Duration::from_secs(4 * 60);

/// One page of a list.
pub(crate) trait ListPage: Serialize + DeserializeOwned + Send {
    type Item: Send;
    /// The most items that GitHub returns of such a list, whatever its total.
    const MOST: u64 = MOST_ITEMS as u64;
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
    match tokio::time::timeout(LONGEST, whole::<P>(http, &first)).await {
        Ok(list) => list,
        Err(_) => Err(cut(http, &first, format!("the list takes longer than {LONGEST:?}"))),
    }
}

async fn whole<P: ListPage>(http: &Http, first: &GitHubCall) -> Result<List<P::Item>, CallError> {
    let found = once::<P>(http, first).await?;
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

async fn once<P: ListPage>(http: &Http, first: &GitHubCall) -> Result<List<P::Item>, CallError> {
    let mut call = first.clone();
    let mut list = List { items: BTreeMap::new(), total_count: 0, steady: true };
    let (mut is_first, mut bytes) = (true, 0);
    loop {
        let (part, next, length) = http.counted_page::<P>(&call).await?;
        list.steady &= is_first || list.total_count == part.total_count();
        list.total_count = part.total_count();
        bytes += length;
        let (known, items) = (list.items.len(), part.items());
        let count = items.len();
        list.items.extend(items.into_iter().map(|item| (P::id(&item), item)));
        let is_new = list.items.len() > known;
        if let Some(why) = too_large::<P>(&call, count, list.items.len(), bytes) {
            return Err(cut(http, &call, why));
        }
        match next {
            // A first page may be empty, since what it had is gone.
            Some(link) if is_new || is_first => call.url = follow(http, &call, &link)?,
            Some(_) => return Err(cut(http, &call, "the pages of the list lead in a circle".to_owned())),
            None => return Ok(list),
        }
        is_first = false;
    }
}

/// Why a page of so many items, or a list of so many items and bytes, is more than can be.
fn too_large<P: ListPage>(call: &GitHubCall, page: usize, items: usize, bytes: usize) -> Option<String> {
    let asked = call.url.query_pairs().find(|(name, _)| name == "per_page");
    let per_page = asked.and_then(|(_, number)| number.parse().ok()).unwrap_or(USUAL_PER_PAGE);
    let most = usize::try_from(P::MOST).unwrap_or(MOST_ITEMS);
    match () {
        () if page > per_page => Some(format!("a page has {page} items, and {per_page} were asked for")),
        () if items > most => Some(format!("the list has more than {most} items")),
        () if bytes > MOST_BYTES => Some(format!("the list has more than {MOST_BYTES} bytes")),
        () => None,
    }
}

/// The error for a list that is read no further.
fn cut(http: &Http, call: &GitHubCall, why: String) -> CallError {
    http.client.traffic.ended(CallOutcome::Cut);
    CallError::new(CallErrorKind::Unavailable, why).during(call).advise(Advice::CheckProxy)
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
