//! What a token of a GitHub App's installation may do: what its fleets need, and no more.
//!
//! A stolen token is good for an hour. The narrower it is, the less that hour is worth.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Scope;

/// The most repositories that a token can name (GitHub docs: Create an installation access token for an app).
const MOST_NAMED: usize = 500;

/// How far a permission goes. Writing includes reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// To read.
    Read,
    /// To read and to write.
    Write,
}

impl Level {
    /// GitHub's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Read => "read",
            Level::Write => "write",
        }
    }
}

/// What a token is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenAccess {
    /// Everything that the installation has.
    Everything,
    /// These repositories, with these permissions.
    Only {
        /// `owner/name` in lower case. Absent means all repositories of the installation.
        repositories: Option<BTreeSet<String>>,
        /// GitHub's names of permissions.
        permissions: BTreeMap<&'static str, Level>,
    },
}

/// Nothing but what every token may do.
impl Default for TokenAccess {
    fn default() -> Self {
        TokenAccess::only([], [])
    }
}

impl TokenAccess {
    fn only<const R: usize, const P: usize>(
        repositories: [&str; R],
        permissions: [(&'static str, Level); P],
    ) -> Self {
        TokenAccess::Only {
            repositories: Some(repositories.iter().map(|name| name.to_ascii_lowercase()).collect()),
            permissions: permissions.into_iter().chain([("metadata", Level::Read)]).collect(),
        }
    }

    fn of_organisation<const P: usize>(permissions: [(&'static str, Level); P]) -> Self {
        TokenAccess::Only {
            repositories: None,
            permissions: permissions.into_iter().chain([("metadata", Level::Read)]).collect(),
        }
    }

    /// What the fleets of these scopes need together.
    pub fn of_scopes<'s>(scopes: impl IntoIterator<Item = &'s Scope>) -> Self {
        let mut all = TokenAccess::default();
        scopes.into_iter().for_each(|scope| all.add(&TokenAccess::of_scope(scope)));
        all
    }

    fn of_scope(scope: &Scope) -> Self {
        match scope {
            Scope::Repo(repo) => TokenAccess::only(
                [repo.as_str()],
                [("actions", Level::Read), ("administration", Level::Write)],
            ),
            Scope::Org(_) => TokenAccess::of_organisation([
                ("actions", Level::Read),
                ("organization_self_hosted_runners", Level::Write),
            ]),
            Scope::Enterprise(_) => TokenAccess::Everything,
        }
    }

    /// What a request needs, by its path below the API's root.
    pub fn of_request(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match parts.as_slice() {
            ["repos", owner, name, rest @ ..] => {
                let permission = match rest {
                    ["hooks", ..] => ("repository_hooks", Level::Write),
                    ["actions", "runners", ..] => ("administration", Level::Write),
                    [] => ("metadata", Level::Read),
                    _ => ("actions", Level::Read),
                };
                TokenAccess::only([&format!("{owner}/{name}")], [permission])
            }
            ["orgs", _, "hooks", ..] => TokenAccess::of_organisation([("organization_hooks", Level::Write)]),
            ["orgs", _, "actions", ..] => {
                TokenAccess::of_organisation([("organization_self_hosted_runners", Level::Write)])
            }
            ["orgs" | "users", ..] | ["installation", "repositories", ..] => TokenAccess::of_organisation([]),
            ["enterprises", ..] => TokenAccess::Everything,
            _ => TokenAccess::default(),
        }
    }

    /// What is needed for both.
    #[must_use]
    pub fn and(&self, other: &TokenAccess) -> TokenAccess {
        let mut both = self.clone();
        both.add(other);
        both
    }

    /// Adds what is needed besides.
    pub fn add(&mut self, other: &TokenAccess) {
        let TokenAccess::Only { repositories: more, permissions: others } = other else {
            *self = TokenAccess::Everything;
            return;
        };
        let TokenAccess::Only { repositories, permissions } = self else { return };
        match (repositories.as_mut(), more) {
            (Some(ours), Some(more)) => ours.extend(more.iter().cloned()),
            _ => *repositories = None,
        }
        for (name, level) in others {
            let ours = permissions.entry(name).or_insert(*level);
            *ours = (*ours).max(*level);
        }
    }

    /// Whether a token of this access serves where the other is needed.
    pub fn covers(&self, needed: &TokenAccess) -> bool {
        let TokenAccess::Only { repositories, permissions } = self else { return true };
        let TokenAccess::Only { repositories: named, permissions: levels } = needed else { return false };
        let are_named = match (repositories, named) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(ours), Some(named)) => named.is_subset(ours),
        };
        are_named
            && levels.iter().all(|(name, level)| permissions.get(name).is_some_and(|ours| ours >= level))
    }

    /// The same for all repositories.
    #[must_use]
    pub fn everywhere(&self) -> TokenAccess {
        self.and(&TokenAccess::of_organisation([]))
    }

    /// The names of the repositories, as a request for a token takes them: without their owner. `None` where a token cannot
    /// name them: an installation belongs to one owner.
    pub fn repository_names(&self) -> Option<Vec<&str>> {
        let TokenAccess::Only { repositories: Some(repositories), .. } = self else { return None };
        let parts: Vec<(&str, &str)> = repositories.iter().filter_map(|name| name.split_once('/')).collect();
        let (owner, _) = parts.first()?;
        let is_one_owner = parts.iter().all(|(other, _)| other == owner);
        (is_one_owner && parts.len() <= MOST_NAMED).then(|| parts.iter().map(|(_, name)| *name).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `repositories: permissions`, for tables.
    fn shown(access: &TokenAccess) -> String {
        let TokenAccess::Only { repositories, permissions } = access else { return "everything".to_owned() };
        let names = repositories
            .as_ref()
            .map_or("all".to_owned(), |names| names.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
        let levels: Vec<String> =
            permissions.iter().map(|(name, level)| format!("{name}:{}", level.as_str())).collect();
        format!("{names} | {}", levels.join(" "))
    }

    fn of(scopes: &[&str]) -> TokenAccess {
        let scopes: Vec<Scope> = scopes.iter().map(|scope| scope.parse().expect("valid")).collect();
        TokenAccess::of_scopes(&scopes)
    }

    #[test]
    fn fleets_need_this_and_no_more() {
        let repository = "actions:read administration:write metadata:read";
        for (scopes, expected) in [
            (&["repo:o/r"][..], format!("o/r | {repository}")),
            (&["repo:o/B", "repo:o/a"], format!("o/a o/b | {repository}")),
            (
                &["org:o"],
                "all | actions:read metadata:read organization_self_hosted_runners:write".to_owned(),
            ),
            (&["org:o", "repo:o/r"], format!("all | {repository} organization_self_hosted_runners:write")),
            (&["repo:o/r", "enterprise:e"], "everything".to_owned()),
            (&[], " | metadata:read".to_owned()),
        ] {
            assert_eq!(shown(&of(scopes)), expected, "{scopes:?}");
        }
    }

    #[test]
    fn a_token_of_the_fleets_serves_their_requests_and_no_others() {
        for (path, repository, organisation) in [
            ("repos/o/r", true, true),
            ("/repos/O/R/actions/runs", true, true),
            ("repos/o/r/actions/runners/7", true, false),
            ("repos/o/r/hooks", false, false),
            ("repos/o/other/actions/runs", false, true),
            ("orgs/o/actions/runners", false, true),
            ("orgs/o/hooks", false, false),
            ("orgs/o/repos", false, true),
            ("rate_limit", true, true),
            ("repositories/7/actions/runs", true, true),
            ("enterprises/e/actions/runners", false, false),
        ] {
            let needed = TokenAccess::of_request(path);
            let covered = (of(&["repo:o/r"]).covers(&needed), of(&["org:o"]).covers(&needed));
            assert_eq!(covered, (repository, organisation), "{path}");
            assert!(TokenAccess::Everything.covers(&needed), "{path}");
        }
    }

    #[test]
    fn repositories_are_named_where_a_token_can_name_them() {
        let many: Vec<String> = (0..=MOST_NAMED).map(|number| format!("repo:o/r{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (scopes, expected) in [
            (&["repo:o/r", "repo:O/s"][..], Some(2)),
            (&["repo:o/r", "repo:p/s"], None),
            (&["org:o", "repo:o/r"], None),
            (&many[1..], Some(MOST_NAMED)),
            (&many, None),
            (&[], None),
        ] {
            let access = of(scopes);
            assert_eq!(access.repository_names().map(|names| names.len()), expected, "{}", scopes.len());
        }
        assert_eq!(of(&["repo:o/r"]).everywhere().repository_names(), None);
    }
}
