//! Lists that come in pages: the `Link` header is followed, pages are never computed.

use azlin_fleet::ports::{CallError, Trouble};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::http::{Call, Http};

/// A list that is longer than this many pages of 100 is none of GitHub's: at most 10,000 runners are in
/// a group. It ends a chain of links that leads in a circle.
const MOST_PAGES: usize = 500;

/// One page of a list.
pub(crate) trait Page: Serialize + DeserializeOwned + Send {
    type Item: Send;
    /// How many the whole list has, as this page tells.
    fn total_count(&self) -> u64;
    fn items(self) -> Vec<Self::Item>;
}

/// A list, all pages.
#[derive(Debug)]
pub(crate) struct List<T> {
    pub(crate) items: Vec<T>,
    /// How many there are, as the last page tells.
    pub(crate) total_count: u64,
    /// Whether every page told the same total: where not, the list moved while it was read.
    pub(crate) steady: bool,
}

/// Reads a list from its first page on.
pub(crate) async fn all<P: Page>(http: &Http, first: Call) -> Result<List<P::Item>, CallError> {
    let mut call = first;
    let mut list = List { items: Vec::new(), total_count: 0, steady: true };
    for page in 0..MOST_PAGES {
        let (part, next) = http.page::<P>(&call).await?;
        list.steady &= page == 0 || list.total_count == part.total_count();
        list.total_count = part.total_count();
        list.items.extend(part.items());
        match next {
            Some(link) => call.url = follow(http, &call, &link)?,
            None => return Ok(list),
        }
    }
    Err(CallError::new(Trouble::Invalid, format!("{call}: the list has no end after {MOST_PAGES} pages")))
}

fn follow(http: &Http, call: &Call, link: &str) -> Result<Url, CallError> {
    match call.url.join(link) {
        Ok(url) if http.api.has_same_origin(&url) => Ok(url),
        _ => Err(CallError::new(
            Trouble::Invalid,
            format!(
                "{call}: the link to the next page leads to another host, where the token is not sent: check api_url"
            ),
        )),
    }
}
