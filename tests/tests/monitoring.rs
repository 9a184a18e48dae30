//! Alert rules and the dashboard use only metrics and labels that exist.

use std::collections::{BTreeMap, BTreeSet};

/// Each metric of the page, with its table row.
fn documented() -> BTreeMap<&'static str, &'static str> {
    let page = include_str!("../../docs/reference/metrics.md");
    let row = |line: &'static str| Some((line.strip_prefix("| `")?.split('`').next()?, line));
    page.lines().filter_map(row).filter(|(name, _)| name.starts_with("azlin_")).collect()
}

/// The metrics that an expression uses, without the suffixes of histograms.
fn asked(expression: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c: char| !is_part(c)).filter(|word| word.starts_with("azlin_"));
    words
        .map(|word| word.trim_end_matches("_bucket").trim_end_matches("_count").trim_end_matches("_sum"))
        .collect()
}

fn dashboard() -> serde_json::Value {
    serde_json::from_str(include_str!("../../monitoring/grafana-dashboard.json")).unwrap()
}

#[test]
fn rules_and_dashboard_ask_for_what_there_is() {
    let documented = documented();
    assert!(documented.len() > 20);
    let rules = include_str!("../../monitoring/azlin.rules.yml");
    let cases = include_str!("../../monitoring/azlin.rules.test.yml");
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let expressions: Vec<&str> = targets.map(|target| target["expr"].as_str().unwrap()).collect();
    for text in expressions.into_iter().chain([rules, cases]) {
        for metric in asked(text) {
            assert!(documented.contains_key(metric), "{metric} is not on the page of metrics: {text}");
        }
    }
}

/// Every alert is tested with made-up series: `cargo xtask test` runs `promtool` for it.
#[test]
fn every_alert_is_tried() {
    let rules = include_str!("../../monitoring/azlin.rules.yml");
    let cases = include_str!("../../monitoring/azlin.rules.test.yml");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 5);
    for alert in alerts {
        assert!(
            cases.contains(&format!("alertname: {alert}\n")),
            "{alert} is not tried in a case that fires"
        );
    }
}

/// The alert of each outage fires with its kind. That of removals is another alert.
#[test]
fn every_kind_of_error_is_tried() {
    let cases = include_str!("../../monitoring/azlin.rules.test.yml");
    for kind in azlin_fleet::report::FleetErrorKind::ALL {
        let fires = match kind {
            azlin_fleet::report::FleetErrorKind::Removing => "alertname: AzlinRemovalsFail".to_owned(),
            _ => format!(
                "exp_labels: {{ severity: warning, fleet: ci, kind: {}, instance: a }}",
                kind.as_str()
            ),
        };
        assert!(cases.contains(&fires), "{fires}");
    }
}

#[test]
fn nothing_of_the_dashboard_covers_anything_else() {
    let dashboard = dashboard();
    let mut places = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let number = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(number("x") + number("w") <= 24, "{panel}");
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                assert!(places.insert((x, y)), "{} covers another one", panel["title"]);
            }
        }
    }
}
