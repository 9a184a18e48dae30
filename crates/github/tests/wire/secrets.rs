//! No secret is in any printed text.

use azlin_fleet::model::RunnerId;
use azlin_fleet::ports::GitHub;
use azlin_simcloud::scripted::{Reply, json};
use serde_json::json;

use crate::{TOKEN, github, repo, scope, settings};

/// Answers with texts that must not be repeated, in every place that a message quotes.
fn leaky(status: u16) -> Reply {
    let secrets = format!("{TOKEN} ghs_installation github_pat_11AA_bb eyJhbGciOi.eyJzdWIi.c2ln");
    json(status, json!({"message": format!("who is {secrets}?"), "documentation_url": secrets}))
}

#[tokio::test]
async fn no_secret_is_in_an_error_or_a_struct() {
    let mut printed = String::new();
    for status in [200, 301, 400, 401, 403, 404, 409, 422, 429, 500] {
        let (server, github) = github(move |_, _| leaky(status)).await;
        let errors = [
            github.queue(&repo()).await.err().map(|error| format!("{error} {error:?}")),
            github.runners(&scope()).await.err().map(|error| format!("{error} {error:?}")),
            github.registration_token(&scope()).await.err().map(|error| format!("{error} {error:?}")),
            github.deregister(&scope(), RunnerId(7)).await.err().map(|error| format!("{error} {error:?}")),
        ];
        let settings = settings(&server);
        printed += &format!("{github:?} {settings:?} {errors:?}");
    }
    let (_server, github) = github(|_, _| {
        json(201, json!({"token": "AABF3JGZDX3P5PMEXLND6TS6FCWO6", "expires_at": "2026-01-02T04:04:05Z"}))
    })
    .await;
    printed += &format!("{:?}", github.registration_token(&scope()).await);
    for secret in [TOKEN, "ghs_", "github_pat_", "eyJ", "AABF3JGZ"] {
        assert!(!printed.contains(secret), "{secret} is in: {printed}");
    }
    assert!(printed.contains("who is [redacted]"));
}
