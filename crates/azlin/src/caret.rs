//! Draws what is wrong with a file for people: the line, and a caret under the place.

use std::ops::Range;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use azlin_fleet::config::{Faulty, Problem, ProblemKind};

use crate::terminal::Terminal;

/// Every problem of a text, each with its line. A line that holds a secret is not shown.
pub fn drawn(faulty: &Faulty, terminal: Terminal) -> String {
    let renderer = if terminal.colour { Renderer::styled().hyperlink(false) } else { Renderer::plain() };
    // A pipe gets whole lines.
    let renderer = renderer.term_width(terminal.width.unwrap_or(100_000));
    // Beside the line there are its number and a bar, and dots where it is cut.
    let most = terminal.width.map_or(usize::MAX, |width| width.saturating_sub(16).max(1));
    let drawn = |problem| format!("{}\n", one(problem, &faulty.text, &renderer, most));
    faulty.problems.0.iter().map(drawn).collect()
}

fn one(problem: &Problem, text: &str, renderer: &Renderer, most: usize) -> String {
    let key = if problem.key.is_empty() { String::new() } else { format!("{}: ", problem.key) };
    let title = format!("{key}{}", problem.message);
    let title = Level::ERROR.primary_title(title.as_str());
    // A key that is missing from a table that is missing, too, has no line.
    let is_nowhere = problem.kind == ProblemKind::Missing && problem.span.is_empty();
    let (line, span) = first_line(problem, text, most);
    let mut report = if problem.is_quotable && !is_nowhere {
        let caret = AnnotationKind::Primary.span(span);
        title.element(
            Snippet::source(line).path(problem.file.as_str()).line_start(problem.line).annotation(caret),
        )
    } else {
        let origin = Origin::path(problem.file.as_str()).line(problem.line).char_column(problem.column);
        title.element(origin)
    };
    if let Some(help) = &problem.help {
        report = report.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[report])
}

/// The line in which a problem begins, and what of it is meant: at most so many characters.
fn first_line<'t>(problem: &Problem, text: &'t str, most: usize) -> (&'t str, Range<usize>) {
    let start = text[..problem.span.start].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let within = |byte: usize| (byte - start).min(line.len());
    let (from, to) = (within(problem.span.start), within(problem.span.end));
    let cut = line[from..to].char_indices().nth(most).map_or(to, |(byte, _)| from + byte);
    (line, from..cut)
}

#[cfg(test)]
mod tests {
    use azlin_fleet::config::Fleet;

    use super::*;

    fn told(text: &str, width: Option<usize>, colour: bool) -> String {
        let pool = "ci".parse().expect("a valid name");
        let problems = Fleet::parse("fleets/ci.toml", pool, text).expect_err("it is bad");
        drawn(&Faulty { text: text.to_owned(), problems }, Terminal { width, colour })
    }

    const BAD: &str = "repo = \"o/r\"\nenabled = 1\n[scaling]\n\tmin_runners = 3 # é\nmax_runners = 2\n[vm]\n\
        subscription_id = \"00000000-0000-0000-0000-000000000000\"\nresource_group = \"rg\"\n\
        sizes = [\"Standard_D4s_v5\", \"Standard D4s\"]\nimage = \"Canonical:ubuntu-24_04-lts:server:latest\"\n\
        subnet_id = \"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/ci runners/providers/x\"\n";

    #[test]
    fn a_caret_is_under_what_is_meant() {
        insta::assert_snapshot!("wide", told(BAD, None, false));
        insta::assert_snapshot!("narrow", told(BAD, Some(60), false));
        insta::assert_snapshot!("colour", told("repo = 1\n", Some(60), true).replace('\u{1b}', "^"));
    }

    #[test]
    fn what_is_nowhere_has_its_place_without_a_line() {
        insta::assert_snapshot!(format!(
            "{}\n{}\n{}",
            told("", None, false),
            told("repo = [\"", None, false),
            told("[vm\r\nx = 1", None, false)
        ));
    }

    #[test]
    fn no_secret_is_shown_with_its_line() {
        let token = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
        for text in [
            format!("repo = \"{token}\"\n"),
            format!("repo = \"{token}\n"),
            format!("repo = \"o/r\" {token}\n"),
            format!("repo = \"o/r\"\nlabels = [\n \"a b\",\n \"{token}\"]\n"),
            format!("{token} = 1\n"),
            format!("repo = 1 # {token}\n"),
            format!("scaling = {{ max_runners = \"x\", y = \"{token}\" }}\n"),
            "token = hunter2 0123456789abcdef\n".to_owned(),
            "repo = \"https://ci:0123456789abcdef@github.com/o/r\"\n".to_owned(),
            "[[x]]\ntoken = \"0123456789abcdef\"\n".to_owned(),
            "x = [{ token = \"0123456789abcdef\" }]\n".to_owned(),
        ] {
            let told = told(&text, None, false);
            assert!(!told.contains("0123456789abcdef"), "{told}");
            assert!(told.contains("--> fleets/ci.toml:"), "{told}");
        }
    }
}
