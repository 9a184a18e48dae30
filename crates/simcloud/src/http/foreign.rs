//! Answers that are not the service's: of a proxy that blocks a request, of a page to sign in, of a web server that knows
//! no such page.

use super::message::SimResponse;
use crate::fault::ForeignPage;

pub(super) fn answer(page: ForeignPage) -> SimResponse {
    let (status, title) = match page {
        ForeignPage::Block => (200, "This request was blocked"),
        ForeignPage::Login => (302, "Sign in to continue"),
        ForeignPage::NotFound => (404, "Page not found"),
    };
    let text = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    );
    let answer = SimResponse::text(status, text).header("content-type", "text/html; charset=utf-8");
    match page {
        ForeignPage::Login => answer.header("location", "https://login.example.invalid/?back=api"),
        ForeignPage::Block | ForeignPage::NotFound => answer,
    }
}
