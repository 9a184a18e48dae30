//! ETags belong to the token: what a renewal costs, and that it costs a little at a time.

use std::sync::Arc;

use azlin_fleet::model::{Scope, TokenAccess};
use azlin_fleet::ports::GitHub;
use azlin_simcloud::scripted::{Reply, json};
use serde_json::json;

use crate::app::{as_app, is_shown, is_sign_in, issued, sign_ins};
use crate::faults::no_runners;
use crate::scope;

#[tokio::test]
async fn after_a_renewal_each_address_is_counted_once_more_and_then_free_again() {
    let (server, github) = as_app(|request, before| {
        if is_sign_in(request) {
            return issued(before, 3600);
        }
        let token = request.header("authorization").expect("a token").to_owned();
        if before == 3 {
            // The token is revoked, so another is needed.
            return json(401, json!({"message": "Bad credentials"}));
        }
        let etag = format!("W/\"of {}\"", token.trim_start_matches("Bearer "));
        let has_it = request.header("if-none-match") == Some(etag.as_str());
        let body = json!({"total_count": 0, "runners": []}).to_string();
        Reply::Answer(
            if has_it { 304 } else { 200 },
            vec![("etag", etag)],
            if has_it { String::new() } else { body },
        )
    })
    .await;
    for (look, not_modified) in [(1, 0), (2, 1), (3, 1), (4, 2), (5, 3)] {
        assert_eq!(github.runners(&scope()).await, Ok(Vec::new()), "look {look}");
        assert_eq!(github.counts().not_modified, not_modified, "look {look}");
    }
    assert_eq!(sign_ins(&server), 2);
}

#[tokio::test]
async fn repositories_do_not_move_to_a_new_token_together() {
    let (server, github) = as_app(|request, before| match is_sign_in(request) {
        // The first token is good for nine minutes, so it is renewed at its second use.
        true => issued(usize::from(before > 0), if before == 0 { 540 } else { 3600 }),
        false => no_runners(),
    })
    .await;
    let scopes: Vec<Scope> =
        (0..60).map(|number| format!("repo:o/r{number}").parse().expect("a scope")).collect();
    github.serve_access(&Arc::new(TokenAccess::of_scopes(&scopes)));
    for scope in &scopes {
        github.runners(scope).await.expect("it is signed in");
    }
    assert_eq!(sign_ins(&server), 2, "the token is renewed once");
    let requests = server.requests();
    let with = |token: &str| requests.iter().filter(|request| is_shown(request, token)).count();
    let (old, new) = (with("ghs_number0"), with("ghs_number1"));
    assert_eq!(old + new, 60);
    // A hundredth of the time has gone by at most, on a slow machine.
    assert!(old >= 55, "{old} of 60 repositories still use the old token");
}
