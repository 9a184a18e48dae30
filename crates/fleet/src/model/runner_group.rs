//! A runner group: which repositories and workflows may use the runners in it (GitHub docs, Managing access to
//! self-hosted runners using groups).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{ForeignText, RepoPattern, RepoSlug, RunRepository};

/// What a runner group of an organisation or enterprise permits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunnerGroup {
    /// Its name at GitHub.
    pub name: ForeignText,
    /// The repositories that may use it.
    pub repositories: GroupRepositories,
    /// Whether public repositories may use it too. GitHub's default is that they may not.
    pub allows_public: bool,
    /// The workflows that may use it, as `owner/repo/.github/workflows/ci.yml@refs/heads/main`. `None` means all.
    pub workflows: Option<Vec<ForeignText>>,
}

/// The repositories that may use a runner group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupRepositories {
    /// All of the organisation or enterprise.
    All,
    /// All that are not public.
    Private,
    /// These. A group of an enterprise names organisations: all of their repositories.
    Selected(Vec<RepoPattern>),
}

/// Why a runner group gives a job to none of its runners.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRefusal {
    /// The group's name.
    pub group: ForeignText,
    /// What it does not permit.
    pub refused: GroupLimit,
}

/// A limit of a runner group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupLimit {
    /// Public repositories may not use it.
    PublicRepository,
    /// The repository is not among those that may use it.
    OtherRepository,
    /// The workflow is not among those that may use it.
    OtherWorkflow,
}

impl RunnerGroup {
    /// Why it refuses the jobs of a repository, whatever their workflow. What is not known is not refused. `named` is
    /// the name that the fleet's file or GitHub's list uses.
    pub fn refuses_repository(
        &self,
        named: &RepoSlug,
        today: Option<&RunRepository>,
    ) -> Option<GroupRefusal> {
        let is_public = today.is_some_and(|today| today.is_public);
        let is_selected = |patterns: &[RepoPattern]| {
            let mut names = std::iter::once(named).chain(today.map(|today| &today.name));
            names.any(|name| patterns.iter().any(|pattern| pattern.matches(name)))
        };
        let limit = match &self.repositories {
            GroupRepositories::Selected(patterns) if !is_selected(patterns) => GroupLimit::OtherRepository,
            GroupRepositories::Private if is_public => GroupLimit::PublicRepository,
            _ if is_public && !self.allows_public => GroupLimit::PublicRepository,
            _ => return None,
        };
        Some(self.refusal(limit))
    }

    /// Why it refuses the jobs of a run that is made of these workflow files. The branches that the group names are not
    /// compared, because a run does not show them in every case.
    pub fn refuses_workflows(&self, of_run: &[ForeignText]) -> Option<GroupRefusal> {
        let permitted = self.workflows.as_ref()?;
        let is_permitted = |file: &ForeignText| {
            permitted.iter().any(|permitted| without_ref(permitted).eq_ignore_ascii_case(without_ref(file)))
        };
        let is_refused = !of_run.is_empty() && !of_run.iter().any(is_permitted);
        is_refused.then(|| self.refusal(GroupLimit::OtherWorkflow))
    }

    /// Whether what is known of a repository and its runs is too little to say whether it refuses them.
    pub fn needs_more(&self, today: Option<&RunRepository>, knows_workflows: bool) -> bool {
        let asks_for_public = !self.allows_public || self.repositories == GroupRepositories::Private;
        asks_for_public && today.is_none() || self.workflows.is_some() && !knows_workflows
    }

    fn refusal(&self, refused: GroupLimit) -> GroupRefusal {
        GroupRefusal { group: self.name.clone(), refused }
    }
}

/// A workflow file without the branch, tag or commit after the `@`.
fn without_ref(workflow: &str) -> &str {
    workflow.split_once('@').map_or(workflow, |(file, _)| file)
}

impl GroupLimit {
    /// What a person can change, in the settings of the organisation or enterprise.
    pub fn cure(self) -> &'static str {
        match self {
            GroupLimit::PublicRepository => {
                "allow public repositories in the settings of the runner group, if strangers may run jobs on these \
                 machines, or name another group as runner_group"
            }
            GroupLimit::OtherRepository => {
                "add the repository in the settings of the runner group, or name another group as runner_group"
            }
            GroupLimit::OtherWorkflow => {
                "add the workflow in the settings of the runner group, or name another group as runner_group"
            }
        }
    }
}

impl fmt::Display for GroupRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.refused {
            GroupLimit::PublicRepository => "public repositories",
            GroupLimit::OtherRepository => "this repository",
            GroupLimit::OtherWorkflow => "this workflow",
        };
        write!(f, "the runner group {:?} does not serve {what}", self.group)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(repositories: GroupRepositories, allows_public: bool) -> RunnerGroup {
        RunnerGroup { name: "big".into(), repositories, allows_public, workflows: None }
    }

    #[test]
    fn which_repositories_a_group_refuses() {
        use GroupLimit::{OtherRepository, PublicRepository};
        let selected = |patterns: &[&str]| {
            let patterns = patterns.iter().map(|text| text.parse().expect("valid"));
            GroupRepositories::Selected(patterns.collect())
        };
        let today = |name: &str, is_public| RunRepository { name: name.parse().expect("valid"), is_public };
        for (situation, group, today, expected) in [
            ("private", group(GroupRepositories::All, false), Some(today("o/r", false)), None),
            (
                "public",
                group(GroupRepositories::All, false),
                Some(today("o/r", true)),
                Some(PublicRepository),
            ),
            ("public, allowed", group(GroupRepositories::All, true), Some(today("o/r", true)), None),
            ("unknown", group(GroupRepositories::All, false), None, None),
            (
                "only private",
                group(GroupRepositories::Private, true),
                Some(today("o/r", true)),
                Some(PublicRepository),
            ),
            ("selected", group(selected(&["O/R"]), false), None, None),
            ("not selected", group(selected(&["o/other"]), true), None, Some(OtherRepository)),
            ("none is selected", group(selected(&[]), true), None, Some(OtherRepository)),
            ("its organisation", group(selected(&["o/*"]), true), None, None),
            (
                "selected, public",
                group(selected(&["o/r"]), false),
                Some(today("o/r", true)),
                Some(PublicRepository),
            ),
            (
                "selected by its new name",
                group(selected(&["o/new"]), false),
                Some(today("o/new", false)),
                None,
            ),
        ] {
            let refused = group.refuses_repository(&"o/r".parse().expect("valid"), today.as_ref());
            assert_eq!(refused.map(|refusal| refusal.refused), expected, "{situation}");
        }
    }

    #[test]
    fn which_workflows_a_group_refuses() {
        let file = |text: &str| ForeignText::from(format!("o/r/.github/workflows/{text}"));
        let deploy = || Some(vec![file("deploy.yml@refs/heads/main")]);
        let table: [(_, _, &[ForeignText], bool); 6] = [
            ("every workflow", None, &[file("ci.yml")], false),
            ("the named one", deploy(), &[file("deploy.yml")], false),
            ("the named one, of some branch", deploy(), &[file("deploy.yml@refs/heads/x")], false),
            ("another", deploy(), &[file("ci.yml")], true),
            ("another, which calls the named one", deploy(), &[file("ci.yml"), file("deploy.yml@v2")], false),
            ("unknown", deploy(), &[], false),
        ];
        for (situation, workflows, of_run, expected) in table {
            let group = RunnerGroup { workflows, ..group(GroupRepositories::All, true) };
            assert_eq!(group.refuses_workflows(of_run).is_some(), expected, "{situation}");
        }
    }
}
