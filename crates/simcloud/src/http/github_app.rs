//! GitHub's side of a GitHub App: it verifies the app's JWT, and issues installation tokens.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
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
    let (route, answer): (&str, fn(&mut World) -> SimResponse) =
        match (request.method.as_str(), segments.as_slice()) {
            ("GET", ["app"]) => ("/app", |world| SimResponse::json(200, &app(world))),
            ("POST", ["app", "installations", id, "access_tokens"]) => (
                "/app/installations/{installation_id}/access_tokens",
                if *id == INSTALLATION_ID.to_string() {
                    issue
                } else {
                    |_| SimResponse::json(404, &shape::not_found())
                },
            ),
            _ => return None,
        };
    let answer = match refused(world, request.bearer().unwrap_or_default()) {
        Some(why) => SimResponse::json(401, &shape::error(401, why)),
        None => answer(world),
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

fn issue(world: &mut World) -> SimResponse {
    let token = format!("ghs_{:032x}", world.rng.random::<u128>());
    let ends = world.now() + world.settings.app_token_life;
    world.installation_tokens.insert(token.clone(), ends);
    let shown = json!({
        "token": token, "expires_at": ends.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "permissions": permissions(), "repository_selection": "all",
    });
    SimResponse::json(201, &shown)
}

fn permissions() -> Value {
    json!({"actions": "read", "administration": "write", "metadata": "read", "organization_self_hosted_runners": "write"})
}

fn app(world: &World) -> Value {
    let began = world.began_at().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "id": 4711, "slug": "azlin-runners", "node_id": "A_4711", "client_id": "Iv23simcloud", "name": "azlin runners",
        "owner": user("https://api.github.invalid", "o"), "description": null, "external_url": "https://example.invalid", "html_url": "https://github.invalid/apps/azlin-runners",
        "created_at": began, "updated_at": began, "permissions": permissions(), "events": [], "installations_count": 1,
    })
}
