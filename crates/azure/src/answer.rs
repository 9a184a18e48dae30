//! Which answers of success a call to the resource manager understands, by its method. A page of a proxy, a login
//! page or any other status is no answer of Azure's (Learn: Azure Resource Manager REST, Virtual Machines; Track
//! asynchronous Azure operations).

use azlin_http::HttpReply;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use crate::error::ArmError;

/// Whether an answer is the documented success of such a call.
pub(crate) fn is_documented(method: &Method, reply: &HttpReply) -> bool {
    let (statuses, may_be_empty): (&[u16], bool) = match *method {
        // Done, accepted, or nothing was there.
        Method::DELETE => (&[200, 202, 204], true),
        // Replaced, or created.
        Method::PUT => (&[200, 201], false),
        // Told, or accepted: a VM is started or deallocated.
        Method::POST => (&[200, 202], reply.status.as_u16() == 202),
        _ => (&[200], false),
    };
    let has_form = begins_as_json(reply) || may_be_empty && reply.body.is_empty();
    statuses.contains(&reply.status.as_u16()) && has_form
}

/// The error for an answer of another form than Azure documents.
pub(crate) fn undocumented(why: &dyn std::fmt::Display) -> ArmError {
    ArmError::unreadable(format!("the answer is not what Azure documents: {why}"))
}

/// Whether the body is JSON, as far as its beginning shows. The reader of the call knows its form.
pub(crate) fn begins_as_json(reply: &HttpReply) -> bool {
    matches!(reply.body.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Whether a text is a page for a browser.
pub(crate) fn is_page(reply: &HttpReply) -> bool {
    let content_type = reply.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| text.trim_start().to_ascii_lowercase().starts_with("text/html"))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;

    #[test]
    fn only_what_azure_documents_is_a_success() {
        let (json, page) = (r#" {"value": []}"#, "<!DOCTYPE html><title>Sign in</title>");
        for (method, status, body, expected) in [
            (Method::GET, 200, json, true),
            (Method::GET, 200, "[]", true),
            (Method::GET, 200, page, false),
            (Method::GET, 200, "", false),
            (Method::GET, 202, json, false),
            (Method::GET, 204, "", false),
            (Method::POST, 200, json, true),
            (Method::POST, 202, "", true),
            (Method::POST, 202, page, false),
            (Method::POST, 200, "", false),
            (Method::POST, 204, "", false),
            (Method::PUT, 201, json, true),
            (Method::PUT, 200, json, true),
            (Method::PUT, 200, page, false),
            (Method::PUT, 202, json, false),
            (Method::PUT, 204, "", false),
            (Method::DELETE, 200, "", true),
            (Method::DELETE, 200, json, true),
            (Method::DELETE, 202, "", true),
            (Method::DELETE, 204, "", true),
            (Method::DELETE, 200, page, false),
            (Method::DELETE, 202, page, false),
            (Method::DELETE, 203, "", false),
            (Method::DELETE, 302, "", false),
        ] {
            let status = reqwest::StatusCode::from_u16(status).expect("a status");
            let reply = HttpReply { status, headers: HeaderMap::default(), body: body.as_bytes().to_vec() };
            assert_eq!(is_documented(&method, &reply), expected, "{method}: {status} {body}");
        }
    }
}
