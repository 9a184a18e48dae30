//! The `Link` header (RFC 8288), as far as paging needs it.

/// The target of `rel="next"`.
pub(crate) fn next(header: &str) -> Option<&str> {
    let mut rest = header;
    while let Some(start) = rest.find('<') {
        let (target, after) = rest[start + 1..].split_once('>')?;
        // A comma inside a target or a quoted parameter does not end a link; a new `<` does.
        let parameters = after.split('<').next().unwrap_or_default();
        if parameters.split([';', ',']).any(is_rel_next) {
            return Some(target);
        }
        rest = after;
    }
    None
}

fn is_rel_next(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, value)| {
        name.trim().eq_ignore_ascii_case("rel")
            && value
                .trim()
                .trim_matches('"')
                .split_ascii_whitespace()
                .any(|rel| rel.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_of_headers() {
        for (header, expected) in [
            (
                r#"<https://h/a?page=2>; rel="next", <https://h/a?page=9>; rel="last""#,
                Some("https://h/a?page=2"),
            ),
            (
                r#"<https://h/a?page=1>; rel="prev", <https://h/a?page=3>; rel="next""#,
                Some("https://h/a?page=3"),
            ),
            (r"<https://h/a?x=1,2&page=2>;rel=next", Some("https://h/a?x=1,2&page=2")),
            (r#"<https://h/a>; title="x"; REL="prefetch Next""#, Some("https://h/a")),
            (r#"<https://h/a?page=1>; rel="first""#, None),
            ("<https://h/a", None),
            ("", None),
        ] {
            assert_eq!(next(header), expected, "{header}");
        }
    }
}
