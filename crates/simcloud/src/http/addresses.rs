//! Addresses of repositories and organisations: by name, by number as in GitHub's links, and by a name that a
//! repository had before.

use serde_json::json;

use super::message::{SimRequest, SimResponse};
use crate::world::World;

/// The number of an account. It follows from the name alone.
fn account_number(name: &str) -> u64 {
    let fold =
        |number: u64, byte: u8| number.wrapping_mul(31).wrapping_add(u64::from(byte.to_ascii_lowercase()));
    100_000 + name.bytes().fold(7, fold) % 900_000
}

/// Writes a request's path with names, and notes its path with numbers.
pub(super) fn settle(world: &World, request: &mut SimRequest) {
    if let Some(path) = with_names(world, &request.path) {
        request.path = path;
    }
    request.numbered = with_numbers(world, &request.path).unwrap_or_else(|| request.path.clone());
}

fn with_names(world: &World, path: &str) -> Option<String> {
    let (kind, rest) = path.strip_prefix('/')?.split_once('/')?;
    let (number, rest) =
        rest.split_once('/').map_or((rest, String::new()), |(number, rest)| (number, format!("/{rest}")));
    let number: u64 = number.parse().ok()?;
    let repos = &world.state.github.repos;
    match kind {
        "repositories" => {
            let (name, _) = repos.values().find(|(_, id)| *id == number)?;
            Some(format!("/repos/{name}{rest}"))
        }
        "organizations" => {
            let mut owners = repos.values().filter_map(|(name, _)| name.split('/').next());
            let owner = owners.find(|owner| account_number(owner) == number)?;
            Some(format!("/orgs/{owner}{rest}"))
        }
        _ => None,
    }
}

fn with_numbers(world: &World, path: &str) -> Option<String> {
    let mut words = path.strip_prefix('/')?.splitn(4, '/');
    let (kind, first, second) = (words.next()?, words.next()?, words.next());
    let rest = words.next().map(|rest| format!("/{rest}")).unwrap_or_default();
    match (kind, second) {
        ("repos", Some(repo)) => {
            let name = format!("{first}/{repo}").to_ascii_lowercase();
            let (_, id) = world
                .state
                .github
                .repos
                .get(world.state.github.present_name(&name).to_ascii_lowercase().as_str())?;
            Some(format!("/repositories/{id}{rest}"))
        }
        ("orgs", second) => {
            let second = second.map(|word| format!("/{word}")).unwrap_or_default();
            Some(format!("/organizations/{}{second}{rest}", account_number(first)))
        }
        _ => None,
    }
}

/// The redirect from a name that a repository had before; `None` for every other request.
pub(super) fn moved(world: &World, request: &SimRequest) -> Option<SimResponse> {
    let ["repos", owner, repo, ..] = request.segments()[..] else { return None };
    let name = format!("{owner}/{repo}").to_ascii_lowercase();
    world.state.github.renamed.get(&name)?;
    let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
    let url = format!("{}{}{query}", request.base, request.numbered);
    let status = if request.method == "GET" { 301 } else { 307 };
    let body = json!({
        "message": "Moved Permanently", "url": url,
        "documentation_url": "https://docs.github.com/rest/guides/best-practices-for-using-the-rest-api#follow-redirects",
    });
    Some(SimResponse::json(status, &body).header("location", url))
}
