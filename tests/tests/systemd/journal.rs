//! The journal's content, and that it answers the questions in the documentation.

use std::path::Path;
use std::time::Duration;

use azlin_fleet::model::foreign::has_odd;
use azlin_tests::admin_host::{AdminHost, UNIT};
use serde_json::Value;

/// The title of a terminal, a cleared screen, a line of a log that nobody wrote, C1, the order of writing, no width.
const ODD: &str =
    "build\u{1b}]0;pwned\u{7}\u{1b}[2J\r\n2026-11-28T00:00:00Z  INFO ci: forged\u{9b}31m\u{202e}gnp\u{200b}";

#[test]
fn it_tells_a_runners_whole_life_in_fields_and_answers_the_five_questions() {
    // Azure refuses one deletion.
    let refused = "[[faults]]\nwhat = { status = 403 }\nside = 'azure'\nmethod = 'DELETE'\ntimes = 1\n";
    let host = AdminHost::serving("", refused, "");
    // The job lasts long enough for a late poll to see it.
    let job = host.submit(1, 5)[0];
    host.wait_for_jobs(&[job]);
    host.wait("it is gone", |world| world.report().vms_left == 0);
    host.wait_for_line(&["deleted: its job is finished"]);
    let runner = host.runner_of(job);

    let life = host.journal(&format!("RUNNER={runner}"));
    let told: Vec<[&str; 2]> =
        life.iter().map(|entry| [text(entry, "ACTION"), text(entry, "PRIORITY")]).collect();
    assert_eq!(
        told,
        [["provision", "6"], ["online", "6"], ["job_started", "6"], ["destroy", "3"], ["destroy", "6"]],
        "{life:#?}"
    );
    for entry in &life {
        for (field, value) in
            [("FLEET", "ci"), ("VM", &runner), ("SYSLOG_IDENTIFIER", "azlin"), ("_SYSTEMD_UNIT", UNIT)]
        {
            assert_eq!(text(entry, field), value, "{field} in {entry:#}");
        }
        let tick: u64 = text(entry, "TICK").parse().unwrap();
        assert!(tick > 0);
        let has_reason = matches!(text(entry, "ACTION"), "provision" | "destroy");
        assert_eq!(entry["REASON"].is_string(), has_reason, "{entry:#}");
        // Why VMs are created stands in the line of the decision, once for all of them.
        if text(entry, "ACTION") == "destroy" {
            assert!(
                text(entry, "MESSAGE").contains(text(entry, "REASON")) || entry["ERROR"].is_string(),
                "{entry:#}"
            );
        }
    }
    let ticks: Vec<u64> = life.iter().map(|entry| text(entry, "TICK").parse().unwrap()).collect();
    assert!(ticks.is_sorted() && ticks[0] < ticks[1], "{ticks:?}");
    assert_eq!(text(&life[2], "JOB"), job.to_string());
    assert!(text(&life[3], "ERROR").contains("403"), "{:#}", life[3]);
    let fleet = host.journal("FLEET=ci");
    assert!(fleet.len() > life.len() && fleet.iter().any(|entry| text(entry, "ACTION") == "scale_up"));

    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/how-to/read-the-journal.md");
    let page = std::fs::read_to_string(page).unwrap();
    let questions = questions(&page);
    assert_eq!(questions.len(), 5, "{questions:?}");
    for (question, line) in questions {
        let line = name(&line, &runner);
        let answer = host.run(&format!("{line} --no-pager"));
        let wanted = match question.as_str() {
            "What did it do to my fleet today?" => "ci: scale up from 0 to 1",
            "Why?" => "its job is finished",
            "What failed?" => "403",
            "How long did starts take?" => "",
            "What did this runner go through?" => "takes job",
            other => panic!("the page asks {other}, and this test does not"),
        };
        assert!(!answer.is_empty() && answer.contains(wanted), "{question} {line}\n{answer}");
        if question == "How long did starts take?" {
            answer.lines().for_each(|seconds| assert!(seconds.parse::<u64>().is_ok(), "{answer}"));
        }
    }
}

#[test]
fn what_a_terminal_acts_on_reaches_no_field_of_it() {
    let odd = "[[faults]]\nwhat = { refused = [403, \"Not\\u001b[31mAllowed\", \"no\\r\\n2026-11-28T00:00:00Z\\u202e\"] }\n\
               side = 'azure'\nmethod = 'DELETE'\ntimes = 1\n";
    let host = AdminHost::serving("", odd, "");
    let ask = |label: &str| {
        let labels = vec!["self-hosted".to_owned(), label.to_owned()];
        let mut world = host.cloud.served.world();
        let job = world.submit("o/r", vec![(labels, Duration::from_secs(2))], Vec::new())[0];
        ODD.clone_into(&mut world.state.github.jobs.get_mut(&job).unwrap().name);
        job
    };
    let (served, _unserved) = (ask("docker"), ask(ODD));
    host.wait_for_jobs(&[served]);
    host.wait_for_line(&["pwned"]);
    let told = host.journal(&format!("_SYSTEMD_UNIT={UNIT}"));
    assert!(told.iter().any(|entry| text(entry, "JOB") == served.to_string()), "{told:#?}");
    for entry in &told {
        for (field, value) in entry.as_object().unwrap().iter().filter(|(field, _)| !field.starts_with('_')) {
            // journalctl gives what is no text as numbers.
            let shown = value.as_str().unwrap_or_else(|| panic!("{field} is no text in {entry:#}"));
            assert!(!shown.split('\n').any(has_odd), "{field} has {shown:?}");
            assert!(!shown.contains("\n2026-11-28"), "{field} has a line that nobody wrote: {shown:?}");
        }
    }
}

fn text<'e>(entry: &'e Value, field: &str) -> &'e str {
    entry[field].as_str().unwrap_or_default()
}

/// The headings that are questions, each with its first command.
fn questions(page: &str) -> Vec<(String, String)> {
    page.split("\n## ")
        .skip(1)
        .filter_map(|section| {
            let (heading, rest) = section.split_once('\n')?;
            let command = rest.split("```journalctl\n").nth(1)?.lines().next()?;
            Some((heading.to_owned(), command.to_owned()))
        })
        .collect()
}

/// Replaces the runner in the page's commands by this one.
fn name(line: &str, runner: &str) -> String {
    let word = |word: &str| match word.strip_prefix("RUNNER=") {
        Some(_) => format!("RUNNER={runner}"),
        None => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
