//! GitHub's JSON of a repository, short as in runs and full (specs/github-rest.json: minimal-repository,
//! full-repository, simple-user).

use serde_json::{Value, json};

/// The keys of a repository's URLs, and what follows the repository in each.
const ADDRESSES: [(&str, &str); 37] = [
    ("archive_url", "/{archive_format}{/ref}"),
    ("assignees_url", "/assignees{/user}"),
    ("blobs_url", "/git/blobs{/sha}"),
    ("branches_url", "/branches{/branch}"),
    ("collaborators_url", "/collaborators{/collaborator}"),
    ("comments_url", "/comments{/number}"),
    ("commits_url", "/commits{/sha}"),
    ("compare_url", "/compare/{base}...{head}"),
    ("contents_url", "/contents/{+path}"),
    ("contributors_url", "/contributors"),
    ("deployments_url", "/deployments"),
    ("downloads_url", "/downloads"),
    ("events_url", "/events"),
    ("forks_url", "/forks"),
    ("git_commits_url", "/git/commits{/sha}"),
    ("git_refs_url", "/git/refs{/sha}"),
    ("git_tags_url", "/git/tags{/sha}"),
    ("hooks_url", "/hooks"),
    ("issue_comment_url", "/issues/comments{/number}"),
    ("issue_events_url", "/issues/events{/number}"),
    ("issues_url", "/issues{/number}"),
    ("keys_url", "/keys{/key_id}"),
    ("labels_url", "/labels{/name}"),
    ("languages_url", "/languages"),
    ("merges_url", "/merges"),
    ("milestones_url", "/milestones{/number}"),
    ("notifications_url", "/notifications{?since,all,participating}"),
    ("pulls_url", "/pulls{/number}"),
    ("releases_url", "/releases{/id}"),
    ("stargazers_url", "/stargazers"),
    ("statuses_url", "/statuses/{sha}"),
    ("subscribers_url", "/subscribers"),
    ("subscription_url", "/subscription"),
    ("tags_url", "/tags"),
    ("teams_url", "/teams"),
    ("trees_url", "/git/trees{/sha}"),
    ("url", ""),
];

/// A repository in the short form.
pub(crate) fn in_short(base: &str, full_name: &str, id: u64) -> Value {
    let (owner, name) = full_name.split_once('/').unwrap_or((full_name, ""));
    let mut repository = json!({
        "id": id, "node_id": format!("R_{id}"), "name": name, "full_name": full_name, "private": true, "fork": false,
        "html_url": format!("https://github.com/{full_name}"), "description": null, "owner": user(base, owner),
    });
    for (key, rest) in ADDRESSES {
        repository[key] = json!(format!("{base}/repos/{full_name}{rest}"));
    }
    repository
}

/// A repository in the full form.
pub(crate) fn in_full(base: &str, full_name: &str, id: u64) -> Value {
    let mut repository = in_short(base, full_name, id);
    for (key, rest) in [("clone_url", ".git"), ("svn_url", "")] {
        repository[key] = json!(format!("https://github.com/{full_name}{rest}"));
    }
    repository["git_url"] = json!(format!("git://github.com/{full_name}.git"));
    repository["ssh_url"] = json!(format!("git@github.com:{full_name}.git"));
    repository["default_branch"] = json!("main");
    for key in ["homepage", "language", "mirror_url", "license"] {
        repository[key] = Value::Null;
    }
    for key in ["has_issues", "has_projects", "has_wiki"] {
        repository[key] = json!(true);
    }
    for key in ["has_pages", "has_discussions", "archived", "disabled"] {
        repository[key] = json!(false);
    }
    for key in [
        "forks",
        "forks_count",
        "network_count",
        "open_issues",
        "open_issues_count",
        "size",
        "stargazers_count",
        "subscribers_count",
        "watchers",
        "watchers_count",
    ] {
        repository[key] = json!(0);
    }
    for key in ["created_at", "pushed_at", "updated_at"] {
        repository[key] = json!("2026-01-01T00:00:00Z");
    }
    repository
}

/// The user of a token, as GitHub shows it to other users.
pub(crate) fn user_in_full(base: &str, login: &str) -> Value {
    let mut user = user(base, login);
    for key in ["name", "company", "location", "email", "hireable", "bio", "twitter_username"] {
        user[key] = Value::Null;
    }
    user["blog"] = json!("");
    user["user_view_type"] = json!("public");
    for key in ["public_repos", "public_gists", "followers", "following"] {
        user[key] = json!(0);
    }
    for key in ["created_at", "updated_at"] {
        user[key] = json!("2026-01-01T00:00:00Z");
    }
    user
}

pub(super) fn user(base: &str, login: &str) -> Value {
    let mut user = json!({
        "login": login, "id": 1, "node_id": "U_1", "gravatar_id": "", "type": "User", "site_admin": false,
        "avatar_url": format!("https://avatars.example/{login}"), "html_url": format!("https://github.com/{login}"),
    });
    for (key, rest) in [
        ("url", ""),
        ("followers_url", "/followers"),
        ("following_url", "/following{/other_user}"),
        ("gists_url", "/gists{/gist_id}"),
        ("starred_url", "/starred{/owner}{/repo}"),
        ("subscriptions_url", "/subscriptions"),
        ("organizations_url", "/orgs"),
        ("repos_url", "/repos"),
        ("events_url", "/events{/privacy}"),
        ("received_events_url", "/received_events"),
    ] {
        user[key] = json!(format!("{base}/users/{login}{rest}"));
    }
    user
}
