//! Renamed repositories. GitHub redirects from the old name to the repository's number: reads with 301, everything
//! else with 307.

use azlin_fleet::model::{RepoSlug, Scope};

use crate::github::GitHubState;
use crate::world::World;

impl GitHubState {
    /// The present name of a repository that may have had this one.
    pub fn present_name<'n>(&'n self, repo: &'n str) -> &'n str {
        self.renamed.get(&repo.to_ascii_lowercase()).map_or(repo, String::as_str)
    }

    /// Where a scope is that was renamed; `None` if it was not.
    pub(crate) fn moved(&self, scope: &Scope) -> Option<Scope> {
        let Scope::Repo(slug) = scope else { return None };
        let name = self.renamed.get(&slug.as_str().to_ascii_lowercase())?;
        name.parse::<RepoSlug>().ok().map(Scope::Repo)
    }
}

impl World {
    /// Renames a repository, with its runs, its runners and its webhooks. Does nothing if there is none.
    pub fn rename_repo(&mut self, old: &str, new: &str) {
        let github = &mut self.state.github;
        let (from, to) = (old.to_ascii_lowercase(), new.to_ascii_lowercase());
        let Some((_, id)) = github.repos.remove(&from) else { return };
        github.repos.insert(to.clone(), (new.to_owned(), id));
        github
            .renamed
            .values_mut()
            .filter(|name| name.eq_ignore_ascii_case(old))
            .for_each(|name| *name = new.to_owned());
        github.renamed.remove(&to);
        github.renamed.insert(from.clone(), new.to_owned());
        if let Some(active) = github.active.remove(&from) {
            github.active.insert(to, active);
        }
        for run in github.runs.values_mut().filter(|run| run.repo.eq_ignore_ascii_case(old)) {
            run.repo = new.to_owned();
        }
        let Ok(slug) = new.parse::<RepoSlug>() else { return };
        let runners = github.runners.values_mut().map(|runner| &mut runner.scope);
        let webhooks = self.webhooks.all.values_mut().map(|hook| &mut hook.scope);
        for scope in runners.chain(webhooks) {
            if matches!(scope, Scope::Repo(own) if own.as_str().eq_ignore_ascii_case(old)) {
                *scope = Scope::Repo(slug.clone());
            }
        }
    }
}
