//! Where clients get tokens: the managed identity endpoint, and Entra ID with a secret or an assertion.

use serde_json::json;

use crate::http::message::{SimRequest, SimResponse};
use crate::world::World;

/// The value of `X-IDENTITY-HEADER` that the identity endpoint requires.
pub const IDENTITY_HEADER: &str = "simcloud-identity-header";
/// The client id that Entra ID knows, in every tenant.
pub const CLIENT_ID: &str = "00000000-0000-0000-0000-000000000001";
/// The secret of that client.
pub const CLIENT_SECRET: &str = "simcloud-client-secret";

/// Whether a path is of a service that signs in, and so needs no token.
pub(crate) fn is_sign_in(path: &str) -> bool {
    path == "/msi/token"
        || path.ends_with("/oauth2/v2.0/token")
        || path.ends_with("/.well-known/openid-configuration")
}

/// Answers a request for a token, or for what there is to know about an authority.
pub(crate) fn answer(world: &mut World, request: &SimRequest) -> SimResponse {
    let (route, answer) = match request.segments().as_slice() {
        [tenant, "oauth2", "v2.0", "token"] => ("/{tenant}/oauth2/v2.0/token", entra(world, request, tenant)),
        [tenant, "v2.0", ".well-known", "openid-configuration"] => {
            ("/{tenant}/v2.0/.well-known/openid-configuration", authority(request, tenant))
        }
        _ => ("/msi/token", managed_identity(world, request)),
    };
    SimResponse { route: route.to_owned(), ..answer }
}

/// The managed identity endpoint, in the form of App Service.
fn managed_identity(world: &mut World, request: &SimRequest) -> SimResponse {
    let refuse = |status, why: &str| {
        SimResponse::json(status, &json!({"error": "invalid_request", "error_description": why}))
    };
    if request.identity_header.as_deref() != Some(IDENTITY_HEADER) {
        return refuse(403, "wrong X-IDENTITY-HEADER");
    }
    let Some(resource) = request.parameter("resource") else { return refuse(400, "resource is missing") };
    let (token, expires_at) = world.issue_token();
    SimResponse::json(
        200,
        &json!({
            "access_token": token, "expires_on": expires_at.as_second().to_string(), "resource": resource,
            "token_type": "Bearer", "client_id": CLIENT_ID,
        }),
    )
}

/// Entra ID's description of an authority.
fn authority(request: &SimRequest, tenant: &str) -> SimResponse {
    let here = format!("{}/{tenant}", request.base);
    SimResponse::json(
        200,
        &json!({
            "issuer": format!("{here}/v2.0"), "token_endpoint": format!("{here}/oauth2/v2.0/token"),
            "authorization_endpoint": format!("{here}/oauth2/v2.0/authorize"),
            "jwks_uri": format!("{here}/discovery/v2.0/keys"), "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"], "id_token_signing_alg_values_supported": ["RS256"],
        }),
    )
}

/// A token of Entra ID for a client with its secret, or with an assertion that another issuer signed.
fn entra(world: &mut World, request: &SimRequest, tenant: &str) -> SimResponse {
    let refuse = |code: &str, number: u32, why: &str| {
        SimResponse::json(
            if code == "invalid_client" { 401 } else { 400 },
            &json!({
                "error": code, "error_description": format!("AADSTS{number}: {why}"), "error_codes": [number],
                "trace_id": "00000000-0000-0000-0000-000000000000",
                "correlation_id": "00000000-0000-0000-0000-000000000000",
            }),
        )
    };
    let field = |name: &str| {
        let mut fields = url::form_urlencoded::parse(&request.body);
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    if request.method != "POST" || field("grant_type").as_deref() != Some("client_credentials") {
        return refuse("unsupported_grant_type", 70003, "The app requested an unsupported grant type.");
    }
    if !field("scope").is_some_and(|scope| scope.ends_with("/.default")) {
        return refuse(
            "invalid_scope",
            70011,
            "The provided value for the input parameter 'scope' is not valid.",
        );
    }
    if field("client_id").as_deref() != Some(CLIENT_ID) {
        let why = format!("The application was not found in the directory '{tenant}'.");
        return refuse("unauthorized_client", 700_016, &why);
    }
    let is_asserted = field("client_assertion").is_some_and(|assertion| !assertion.is_empty());
    if !is_asserted && field("client_secret").as_deref() != Some(CLIENT_SECRET) {
        return refuse("invalid_client", 7_000_215, "Invalid client secret provided.");
    }
    let (token, expires_at) = world.issue_token();
    let lasts = expires_at.as_second() - world.now().as_second();
    SimResponse::json(
        200,
        &json!({"token_type": "Bearer", "expires_in": lasts, "ext_expires_in": lasts, "access_token": token}),
    )
}
