//! The findings at GitHub when one thing is taken away.

use std::time::Duration;

use super::*;
use crate::check::fixture::*;
use crate::model::{CallErrorKind, Scope};
use crate::ports::preflight::{Access, TokenKind};

#[test]
fn github() {
    type GitHubChange = fn(&mut GitHubFacts);
    fn scope(facts: &mut GitHubFacts) -> &mut ScopeFacts {
        facts.scopes.values_mut().next().expect("one scope")
    }
    fn ends(facts: &mut GitHubFacts, at: &str) {
        let credential = facts.credential.as_mut().expect("a credential");
        credential.expires_at = Some(at.parse().expect("a time"));
    }
    fn of_kind(facts: &mut GitHubFacts, kind: TokenKind) {
        let credential = facts.credential.as_mut().expect("a credential");
        (credential.kind, credential.expires_at, credential.login) = (kind, None, None);
    }
    let rows: &[(GitHubChange, &[&str])] = &[
        (|f| ends(f, "2026-12-09T12:00:00Z"), IN_ORDER),
        (
            |f| ends(f, "2026-12-09T11:59:59Z"),
            &[
                "Warning credential: fine-grained personal access token of mona, ends in 13 days, 2026-12-09 11:59 UTC",
            ],
        ),
        (
            |f| ends(f, "2026-11-25T13:00:00Z"),
            &[
                "Warning credential: fine-grained personal access token of mona, ends in 60 minutes, 2026-11-25 13:00 UTC",
            ],
        ),
        (
            |f| ends(f, NOW),
            &["Problem credential: fine-grained personal access token of mona, ended 2026-11-25 12:00 UTC"],
        ),
        (|f| of_kind(f, TokenKind::Classic), IN_ORDER),
        (
            |f| {
                ends(f, NOW);
                let credential = f.credential.as_mut().expect("a credential");
                credential.kind = TokenKind::Classic;
                credential.scopes = Some(vec!["repo".into(), "admin:org".into()]);
            },
            &[
                "Problem credential: personal access token (classic) of mona (scopes: repo, admin:org), ended 2026-11-25 \
               12:00 UTC",
            ],
        ),
        (
            |f| {
                let credential = f.credential.as_mut().expect("a credential");
                credential.narrow_refused = Some("The permissions requested are not granted".into());
            },
            &[
                "Warning risk: app token: who has the app's token can do more than azlin needs: GitHub gives no narrower one, \
                 and says \"The permissions requested are not granted\"",
            ],
        ),
        (
            |f| of_kind(f, TokenKind::Installation),
            &[
                "Warning credential: token of an app's installation, which ends within an hour and is not renewed",
            ],
        ),
        (
            |f| of_kind(f, TokenKind::AppUser),
            &[
                "Warning credential: token of an app for a user, which ends within eight hours and is not renewed",
            ],
        ),
        (
            |f| f.credential = failed(CallErrorKind::NotPermitted),
            &[
                "Problem credential: GET /x: 500 \"said\"",
                "Unknown permissions: not tried with a token that is refused",
            ],
        ),
        (
            |f| f.credential = failed(CallErrorKind::Unavailable),
            &[
                "Problem credential: GET /x: 500 \"said\"",
                "Unknown permissions: not tried while GitHub does not answer",
            ],
        ),
        (
            |f| {
                f.credential = failed(CallErrorKind::Throttled);
                f.budget.as_mut().expect("told").as_mut().expect("a limit").remaining = 0;
            },
            &[
                "Warning rate limit: used up, until 12:30 UTC; the rest is not tried until then",
                "Unknown credential: not tried while the rate limit is used up",
                "Unknown permissions: not tried while the rate limit is used up",
            ],
        ),
        (
            |f| {
                f.credential = failed(CallErrorKind::Throttled)
                    .map_err(|error: CallError| error.after(Some(Duration::from_secs(60))));
                f.budget = failed(CallErrorKind::Throttled);
            },
            &[
                "Warning rate limit: used up, until 12:01 UTC; the rest is not tried until then",
                "Unknown credential: not tried while the rate limit is used up",
                "Unknown permissions: not tried while the rate limit is used up",
            ],
        ),
        (|f| f.budget = Ok(None), IN_ORDER),
        (
            |f| f.budget.as_mut().expect("told").as_mut().expect("a limit").remaining = 499,
            &["Warning rate limit: 499 of 5000 requests left for the next 30 minutes"],
        ),
        (|f| f.budget = failed(CallErrorKind::Unavailable), &["Unknown rate limit: GET /x: 500 \"said\""]),
        (
            |f| scope(f).repository = Some(failed(CallErrorKind::NotFound)),
            &["Problem o/r: it does not exist, or the token may not see it"],
        ),
        (
            |f| scope(f).repository = Some(failed(CallErrorKind::Unavailable)),
            &["Unknown o/r: GET /x: 500 \"said\""],
        ),
        (
            |f| scope(f).repository.as_mut().expect("one").as_mut().expect("told").archived = true,
            &["Problem o/r: it is archived: no workflow runs in it"],
        ),
        (
            |f| scope(f).repository.as_mut().expect("one").as_mut().expect("told").disabled = true,
            &["Problem o/r: GitHub has disabled it"],
        ),
        (
            |f| {
                scope(f).repository.as_mut().expect("one").as_mut().expect("told").full_name = "o/new".into();
            },
            &["Warning o/r: it is called o/new today"],
        ),
        (
            |f| scope(f).runs = Some(Ok(Access::Denied(Some("actions=read".into())))),
            &["Problem o/r: read runs: not permitted; GitHub wants actions=read"],
        ),
        (
            |f| (scope(f).runners, scope(f).administer) = (Ok(Access::Hidden), None),
            &["Problem o/r: read runners: not there, or not shown to this token"],
        ),
        (
            |f| scope(f).administer = Some(Ok(Access::Denied(None))),
            &["Problem o/r: administer runners: not permitted"],
        ),
        (
            |f| scope(f).administer = Some(failed(CallErrorKind::Unavailable)),
            &["Unknown o/r: administer runners: GET /x: 500 \"said\""],
        ),
        (
            |f| scope(f).not_listed = Some(Ok(2)),
            &[
                "Warning o/r: list of runners: GitHub counts 2 runners more than it lists: the daemon uses the list once \
                 three looks differ by the same number",
            ],
        ),
        (
            |f| scope(f).not_listed = Some(failed(CallErrorKind::Unavailable)),
            &["Unknown o/r: list of runners: GET /x: 500 \"said\""],
        ),
    ];
    let fleet = fleet("repo = \"o/r\"", "");
    for (at, (change, expected)) in rows.iter().enumerate() {
        let mut facts = account(&fleet);
        change(facts.github.as_mut().expect("known").as_mut().expect("signed in"));
        assert_eq!(told(std::slice::from_ref(&fleet), &facts), *expected, "row {at}");
    }
    let none = Facts { github: Some(Err(SignInError::new("GITHUB_TOKEN is not set"))), ..account(&fleet) };
    assert_eq!(told(&[fleet], &none), ["Problem credential: GITHUB_TOKEN is not set"]);
}

#[test]
fn a_runner_group_that_is_not_there() {
    let fleet = fleet("org = \"o\"\nrunner_group = \"big\"\n[scaling]\nmin_runners = 1", "");
    assert!(matches!(fleet.scope, Scope::Org(_)));
    let found = told(std::slice::from_ref(&fleet), &account(&fleet));
    // A repository's facts do not affect an organisation.
    assert_eq!(found, ["Problem organisation o: runner group big: there is none; there are: Default"]);
}

#[test]
fn what_a_runner_group_leaves_out() {
    use crate::model::{CallError, GroupRepositories, RunnerGroup};
    let fleet = fleet("org = \"o\"\nrunner_group = \"big\"\nrepositories = [\"app\", \"web-*\"]", "");
    let repo = |name: &str| name.parse::<crate::model::RepoSlug>().expect("valid");
    let all = RunnerGroup {
        name: "Big".into(),
        repositories: GroupRepositories::All,
        allows_public: false,
        workflows: None,
    };
    let told = |group: Result<Option<RunnerGroup>, CallError>, public: Result<Vec<&str>, CallError>| {
        let mut facts = account(&fleet);
        let github = facts.github.as_mut().expect("known").as_mut().expect("signed in");
        for (pattern, found) in [("o/app", vec!["o/app"]), ("o/web-*", vec!["o/web-1", "o/web-2"])] {
            let found = Ok(found.into_iter().map(repo).collect());
            github.followed.insert(pattern.parse().expect("valid"), Followed { found, runs: None });
        }
        github.public =
            [("o".parse().expect("valid"), public.map(|names| names.into_iter().map(repo).collect()))].into();
        let scope = github.scopes.values_mut().next().expect("one");
        scope.groups = Some(Ok(vec!["Big".into()]));
        scope.limits = [(Some("big".to_owned()), group)].into();
        told(std::slice::from_ref(&fleet), &facts)
    };
    let what = "organisation o: runner group big";
    let selected = |names: &[&str]| {
        let patterns = names.iter().map(|name| name.parse().expect("valid")).collect();
        RunnerGroup { repositories: GroupRepositories::Selected(patterns), ..all.clone() }
    };
    let public = |repos: &str| {
        format!("Warning {what}: it does not serve public repositories: jobs of {repos} are not counted")
    };
    let other =
        |repos: &str| format!("Warning {what}: it does not serve {repos}: their jobs are not counted");
    for (group, of_account, expected) in [
        (all.clone(), Ok(vec![]), vec![]),
        (all.clone(), Ok(vec!["o/web-2", "o/far"]), vec![public("o/web-2")]),
        (
            RunnerGroup { allows_public: true, ..all.clone() },
            Ok(vec!["o/app"]),
            vec![
                "Warning risk: public repository: o/app: a pull request from a stranger's fork may run code on these VMs"
                    .to_owned(),
            ],
        ),
        (selected(&["o/app", "o/web-1"]), Ok(vec!["o/app"]), vec![public("o/app"), other("o/web-2")]),
        (
            all.clone(),
            failed(CallErrorKind::Unavailable),
            vec![format!("Unknown {what}: public repositories: GET /x: 500 \"said\"")],
        ),
    ] {
        assert_eq!(told(Ok(Some(group)), of_account), expected);
    }
    assert_eq!(told(Ok(None), Ok(vec![])), Vec::<String>::new());
    let unknown = format!("Unknown {what}: GET /x: 500 \"said\"");
    assert_eq!(told(failed(CallErrorKind::Unavailable), Ok(vec![])), [unknown]);
}

#[test]
fn an_enterprise_wants_a_classic_token() {
    let fleet = fleet("enterprise = \"e\"\n[scaling]\nmin_runners = 1", "");
    let mut facts = account(&fleet);
    let github = facts.github.as_mut().expect("known").as_mut().expect("signed in");
    github.scopes.values_mut().next().expect("one").runners = Ok(Access::Hidden);
    let findings = check(&[fleet], &facts, now());
    let cure = findings.iter().find(|finding| finding.state == State::Problem).and_then(|f| f.cure.as_ref());
    let cure = cure.expect("a problem with its cure");
    assert!(cure.starts_with("use a classic token with manage_runners:enterprise"), "{cure}");
}

/// All findings at GitHub, including those that are ok.
fn all(fleets: &[Fleet], facts: &Facts) -> Vec<String> {
    let findings = check(fleets, facts, now()).into_iter().filter(|finding| finding.about == About::GitHub);
    findings.map(|finding| format!("{}: {}", finding.what, finding.found)).collect()
}

#[test]
fn an_app_is_told_by_its_name_and_has_no_end() {
    let fleet = fleet("repo = \"o/r\"", "");
    let mut facts = account(&fleet);
    let github = facts.github.as_mut().expect("known").as_mut().expect("signed in");
    let credential = github.credential.as_mut().expect("a credential");
    (credential.kind, credential.expires_at) = (TokenKind::App, None);
    credential.login = Some("our-runners".into());
    let told = all(&[fleet], &facts);
    assert!(told[0].ends_with(" our-runners, whose token is renewed each hour"), "{told:?}");
}

#[test]
fn a_credential_that_no_fleet_uses_need_not_be_there_where_others_are() {
    let ours = fleet("repo = \"o/r\"", "");
    let partners = fleet("repo = \"o/r\"\ncredential = \"partner\"", "");
    let partner = || "partner".parse().expect("a name");
    let mut facts = account(&ours);
    let known = facts.github.replace(Err(SignInError::new("GITHUB_TOKEN is not set"))).expect("known");
    facts.credentials.insert(partner(), known);
    let (first, missing) = ("credential: fine-grained", "credential: GITHUB_TOKEN is not set");
    let told = all(std::slice::from_ref(&partners), &facts);
    assert!(told.iter().all(|line| line.starts_with("partner: ")), "{told:?}");
    assert!(told[0].starts_with(&format!("partner: {first}")), "{told:?}");
    assert_eq!(all(&[ours.clone(), partners], &facts)[0], missing);
    facts.credentials.clear();
    assert_eq!(all(&[], &facts)[0], missing, "there is no other");
}

#[test]
fn repositories_are_followed_by_fleets_that_are_enabled() {
    let source = "org = \"o\"\nrepositories = [\"app\", \"service-*\"]";
    let (enabled, mut disabled) = (fleet(source, ""), fleet(source, ""));
    disabled.enabled = false;
    let with = |fleet: &Fleet, pattern: &str, count: usize| {
        let mut facts = account(fleet);
        let github = facts.github.as_mut().expect("told").as_mut().expect("signed in");
        let found = (0..count).map(|number| format!("o/service-{number}").parse().expect("valid")).collect();
        let followed = Followed { found: Ok(found), runs: None };
        github.followed = [(pattern.parse().expect("valid"), followed)].into();
        let told = all(std::slice::from_ref(fleet), &facts);
        told.into_iter().find(|line| line.starts_with(pattern))
    };
    assert_eq!(with(&enabled, "o/service-*", 1).as_deref(), Some("o/service-*: 1 repository"));
    assert_eq!(with(&enabled, "o/service-*", 2).as_deref(), Some("o/service-*: 2 repositories"));
    assert_eq!(with(&enabled, "o/app", 1), None, "it was named: that it is there is told beside its runs");
    assert_eq!(with(&disabled, "o/service-*", 1), None);
}

#[test]
fn many_repositories_of_one_credential_are_told_how_often_each_is_looked_at() {
    for (count, limit, expected) in [
        (49, 5_000, None),
        (200, 5_000, Some((State::Ok, "every 1m", "within 1m"))),
        (1_000, 5_000, Some((State::Warning, "every 5m", "within 1h"))),
        (1_000, 15_000, Some((State::Warning, "every 5m", "within 7m"))),
    ] {
        let fleets: Vec<Fleet> =
            (0..count).map(|number| fleet(&format!("repo = \"o/r{number}\""), "")).collect();
        let mut facts = account(&fleets[0]);
        let github = facts.github.as_mut().expect("signed in").as_mut().expect("signed in");
        github.budget.as_mut().expect("told").as_mut().expect("a limit").limit = limit;
        let findings = check(&fleets, &facts, now());
        let found = findings.iter().find(|finding| finding.what == "repositories");
        assert_eq!(found.is_some(), expected.is_some(), "{count}");
        let Some((found, (state, every, within))) = found.zip(expected) else { continue };
        assert_eq!(found.state, state, "{count} of {limit}: {}", found.found);
        assert!(found.found.contains(every) && found.found.contains(within), "{}", found.found);
    }
}
