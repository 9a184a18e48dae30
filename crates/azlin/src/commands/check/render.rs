//! Findings for people, and for programs.

use azlin_fleet::check::{About, Finding, State};
use serde_json::{Value, json};

use crate::terminal::{Terminal, Tone};
use crate::wrap::{hanging, wrapped};

/// In the order of the closing line.
const STATES: [State; 4] = [State::Problem, State::Warning, State::Unknown, State::Ok];

/// Findings in groups, a line each, with the cure below. Fleets with the same findings share a group.
pub fn table(findings: &[Finding], terminal: Terminal) -> String {
    let mut groups: Vec<(Vec<&About>, Vec<&Finding>)> = Vec::new();
    for of_one in findings.chunk_by(|a, b| a.about == b.about) {
        let [first, ..] = of_one else { continue };
        let is_fleet = |about: &About| matches!(about, About::Fleet(_));
        let is_same = |(abouts, known): &(Vec<&About>, Vec<&Finding>)| {
            let lines = |finding: &Finding| line(finding, terminal);
            is_fleet(&first.about)
                && abouts.iter().all(|about| is_fleet(about))
                && known.iter().map(|finding| lines(finding)).eq(of_one.iter().map(lines))
        };
        match groups.iter_mut().find(|group| is_same(group)) {
            Some((abouts, _)) => abouts.push(&first.about),
            None => groups.push((vec![&first.about], of_one.iter().collect())),
        }
    }
    let mut text = String::new();
    for (abouts, findings) in &groups {
        let heading = hanging(terminal, "", 2, &heading(abouts));
        text += &format!("{}\n", terminal.paint(Tone::Strong, heading.trim_end()));
        text.extend(findings.iter().map(|finding| line(finding, terminal)));
        text += "\n";
    }
    let shown: Vec<&Finding> = groups.into_iter().flat_map(|(_, findings)| findings).collect();
    let counts: Vec<String> = STATES.iter().filter_map(|state| counted(&shown, *state)).collect();
    let closing = format!("{}. Nothing was changed.", counts.join(", "));
    text + &wrapped("", &closing, terminal)
}

fn heading(abouts: &[&About]) -> String {
    let pool = |about: &&About| match about {
        About::Configuration => "Configuration".to_owned(),
        About::GitHub => "GitHub".to_owned(),
        About::Azure => "Azure".to_owned(),
        About::Fleet(pool) => pool.to_string(),
    };
    let names: Vec<String> = abouts.iter().map(pool).collect();
    match abouts {
        [About::Fleet(_)] => format!("Fleet {}", names.join("")),
        [About::Fleet(_), ..] => format!("Fleets {}", names.join(", ")),
        _ => names.join(""),
    }
}

fn line(finding: &Finding, terminal: Terminal) -> String {
    let Finding { about, what, state, found, cure } = finding;
    let (mark, tone) = match state {
        State::Ok => ("✓", Tone::Good),
        State::Warning => ("!", Tone::Warning),
        State::Problem => ("✗", Tone::Bad),
        State::Unknown => ("?", Tone::Faint),
    };
    let mark = terminal.paint(tone, mark);
    let mut text = if *about == About::Configuration && *state != State::Ok && found.contains(['\n', ':']) {
        // A problem with a file is formatted already.
        let lines: String = found.lines().map(|line| format!("    {line}\n")).collect();
        format!("  {mark} {what}\n{lines}")
    } else {
        wrapped(&format!("  {mark} "), &format!("{what}: {found}"), terminal)
    };
    if let Some(cure) = cure {
        text += &wrapped(&format!("    {} ", terminal.paint(Tone::Faint, "→")), cure, terminal);
    }
    text
}

fn count<'f>(findings: impl IntoIterator<Item = &'f Finding>, state: State) -> usize {
    findings.into_iter().filter(|finding| finding.state == state).count()
}

fn counted(findings: &[&Finding], state: State) -> Option<String> {
    let many = count(findings.iter().copied(), state);
    let s = if many == 1 { "" } else { "s" };
    match state {
        State::Ok => Some(format!("{many} in order")),
        _ if many == 0 => None,
        State::Problem => Some(format!("{many} problem{s}")),
        State::Warning => Some(format!("{many} warning{s}")),
        State::Unknown => Some(format!("{many} unknown")),
    }
}

/// What docs/reference/schemas/check.schema.json describes.
pub fn json(findings: &[Finding]) -> Value {
    let listed = findings.iter().map(|finding| {
        let (about, pool) = match &finding.about {
            About::Configuration => ("configuration", None),
            About::GitHub => ("github", None),
            About::Azure => ("azure", None),
            About::Fleet(pool) => ("fleet", Some(pool)),
        };
        json!({
            "about": about, "pool": pool, "what": finding.what, "state": finding.state, "found": finding.found,
            "cure": finding.cure,
        })
    });
    json!({
        "version": 1,
        "findings": listed.collect::<Value>(),
        "counts": {
            "ok": count(findings, State::Ok), "warning": count(findings, State::Warning),
            "problem": count(findings, State::Problem), "unknown": count(findings, State::Unknown),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_where_they_are_wanted_and_lines_that_fit() {
        let finding = Finding {
            about: About::GitHub,
            what: "o/r: administer runners".to_owned(),
            state: State::Problem,
            found: "not permitted; GitHub wants administration=write".to_owned(),
            cure: Some("give the token Administration: read and write".to_owned()),
        };
        let narrow = Terminal { width: Some(40), colour: true };
        let text = table(&[finding], narrow);
        assert!(text.contains("\u{1b}[31m✗\u{1b}[0m"), "{text:?}");
        assert!(
            text.contains(
                "o/r: administer runners: not\n    permitted; GitHub wants\n    administration=write\n"
            ),
            "{text}"
        );
        assert!(text.contains(" give the token Administration:\n      read and write\n"), "{text}");
    }
}
