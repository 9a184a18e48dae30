//! GitHub's side of a GitHub App: it verifies the app's JWT, and issues installation tokens.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rand::RngExt;
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls_pki_types::PrivatePkcs1KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::github_json as shape;
use super::message::{SimRequest, SimResponse};
use super::repository_json::user;
use crate::world::World;

/// The private key of the only app. It is for tests and demonstrations alone.
pub const APP_PRIVATE_KEY: &str = include_str!("../../keys/github-app-for-tests-only.pem");
/// The app's id.
pub const APP_ID: &str = "4711";
/// The id of its installation.
pub const INSTALLATION_ID: u64 = 815;

/// The longest validity of a JWT, in seconds.
const LONGEST: i64 = 600;

/// Answers a request by the app itself; `None` if it is another request.
pub(crate) fn answer(world: &mut World, request: &SimRequest) -> Option<SimResponse> {
    let segments = request.segments();
    let (route, answer): (&str, fn(&mut World, &SimRequest) -> SimResponse) =
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["app"]) => ("/app", |world, _| SimResponse::json(200, &app(world))),
            ("POST", ["app", "installations", id, "access_tokens"]) => (
                "/app/installations/{installation_id}/access_tokens",
                if *id == INSTALLATION_ID.to_string() {
                    issue
                } else {
                    |_, _| SimResponse::json(404, &shape::not_found())
                },
            ),
            _ => return None,
        };
    let answer = match refused(world, request.bearer().unwrap_or_default()) {
        Some(why) => SimResponse::json(401, &shape::error(401, why)),
        None => answer(world, request),
    };
    Some(SimResponse { route: route.to_owned(), ..answer })
}

/// Why a JWT is refused; `None` if it is valid.
#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
fn refused(world: &World, jwt: &str) -> Option<&'static str> {
    const UNREADABLE: &str = "A JSON web token could not be decoded";
    let Some((signed, signature)) = jwt.rsplit_once('.') else { return Some(UNREADABLE) };
    let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    let der = PrivatePkcs1KeyDer::from_pem_slice(APP_PRIVATE_KEY.as_bytes()).expect("it is PEM");
    let key = RsaKeyPair::from_der(der.secret_pkcs1_der()).expect("it is a key");
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key());
    if public.verify(signed.as_bytes(), &decode(signature)).is_err() {
        return Some(UNREADABLE);
    }
    let claims = signed.split('.').nth(1).map(decode).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
    let now = world.now().as_second();
    match (claims["iss"].as_str(), claims["iat"].as_i64(), claims["exp"].as_i64()) {
        (Some(APP_ID), Some(from), Some(until)) if from <= now && now < until && until <= now + LONGEST => {
            None
        }
        (Some(APP_ID), Some(from), Some(_)) if from > now => Some(
            "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
        ),
        (Some(APP_ID), Some(_), Some(until)) if until > now + LONGEST => {
            Some("'Expiration time' claim ('exp') is too far in the future")
        }
        (Some(APP_ID), Some(_), Some(_)) => Some(
            "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
        ),
        _ => Some("Integration not found"),
    }
}

fn issue(world: &mut World, request: &SimRequest) -> SimResponse {
    let asked = request.json().unwrap_or_default();
    let given = permissions(world);
    let permissions: BTreeMap<String, String> = match asked["permissions"].as_object() {
        None => given.clone(),
        Some(asked) => {
            let text = |level: &Value| level.as_str().unwrap_or_default().to_owned();
            asked.iter().map(|(name, level)| (name.clone(), text(level))).collect()
        }
    };
    let is_given = |(name, level): (&String, &String)| {
        given.get(name).is_some_and(|given| given == level || level == "read")
    };
    if !permissions.iter().all(is_given) {
        let message = "The permissions requested are not granted to this installation.";
        return SimResponse::json(422, &shape::error(422, message));
    }
    let names = asked["repositories"].as_array();
    let names = names.map(|names| names.iter().filter_map(Value::as_str).map(str::to_ascii_lowercase));
    let repositories: Option<BTreeSet<String>> = names.map(Iterator::collect);
    let is_there = |name: &String| {
        let mut known = world.state.github.repos.keys();
        known.any(|repo| repo.rsplit_once('/').is_some_and(|(_, known)| known == name))
    };
    if !repositories.iter().flatten().all(is_there) {
        let message = "There is at least one repository that does not exist or is not accessible to the parent installation.";
        return SimResponse::json(422, &shape::error(422, message));
    }
    let token = format!("ghs_{:032x}", world.rng.random::<u128>());
    let ends = world.now() + world.settings.app_token_life;
    let selection = if repositories.is_some() { "selected" } else { "all" };
    let shown = json!({
        "token": token, "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "permissions": permissions, "repository_selection": selection,
    });
    world.installation_tokens.insert(token, InstallationToken { ends, permissions, repositories });
    SimResponse::json(201, &shown)
}

/// A token of the installation.
#[derive(Debug, Clone)]
pub(crate) struct InstallationToken {
    pub(crate) ends: Timestamp,
    permissions: BTreeMap<String, String>,
    /// The only repositories, by name in lower case.
    repositories: Option<BTreeSet<String>>,
}

impl InstallationToken {
    /// Why a request goes beyond the token; `None` if it does not.
    pub(crate) fn refuses(&self, request: &SimRequest, needed: &'static str) -> Option<SimResponse> {
        let segments = request.segments();
        if let ["repos", _, name, ..] = segments.as_slice()
            && let Some(only) = &self.repositories
            && !only.contains(&name.to_ascii_lowercase())
        {
            return Some(SimResponse::json(404, &shape::not_found()));
        }
        let is_of_actions = ["actions", "hooks"].iter().any(|part| segments.contains(part));
        let needed = if is_of_actions { needed } else { "metadata=read" };
        let (name, level) = needed.split_once('=')?;
        if self.permissions.get(name).is_some_and(|own| own == level || own == "write") {
            return None;
        }
        let answer = SimResponse::json(403, &shape::error(403, "Resource not accessible by integration"));
        Some(answer.header("x-accepted-github-permissions", needed))
    }
}

/// What the installation is permitted, by GitHub's names.
fn permissions(world: &World) -> BTreeMap<String, String> {
    let pairs = world.account.app_permissions.iter().filter_map(|text| text.split_once('='));
    pairs.map(|(name, level)| (name.to_owned(), level.to_owned())).collect()
}

fn app(world: &World) -> Value {
    let began = world.began_at().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "id": 4711, "slug": "azlin-runners", "node_id": "A_4711", "client_id": "Iv23simcloud", "name": "azlin runners",
        "owner": user("https://api.github.invalid", "o"), "description": null, "external_url": "https://example.invalid", "html_url": "https://github.invalid/apps/azlin-runners",
        "created_at": began, "updated_at": began, "permissions": permissions(world), "events": [], "installations_count": 1,
    })
}
