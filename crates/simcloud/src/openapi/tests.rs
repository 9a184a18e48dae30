//! Checks the checker: with GitHub's own examples, and with mistakes.

use super::*;

/// Every example response on runners, runs and groups in the description, as an exchange.
fn examples(spec: &Spec) -> Vec<Exchange> {
    let mut exchanges = Vec::new();
    for (template, operations) in spec.document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in operations.as_object().into_iter().flatten() {
            for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                let content = &spec.followed(answer)["content"]["application/json"];
                let examples = content["examples"].as_object().into_iter().flat_map(|all| all.values());
                exchanges.extend(examples.map(|example| Exchange {
                    method: method.to_ascii_uppercase(),
                    path: template.clone(),
                    query: String::new(),
                    request: Vec::new(),
                    status: status.parse().expect("a status is a number"),
                    response: spec.followed(example)["value"].to_string().into_bytes(),
                }));
            }
        }
    }
    exchanges.retain(|exchange| exchange.path.contains("/actions/run"));
    exchanges
}

/// All mistakes in GitHub's own examples.
const SLIPS: [(&str, &str); 5] = [
    ("/runs/{run_id}/jobs", "\"created_at\" is a required property"),
    ("/attempts/{attempt_number}/jobs", "\"created_at\" is a required property"),
    ("/rerun-failed-jobs", "null is not of type \"object\""),
    ("/hosted-runners", "image"),
    ("/{runner_group_id}/repositories", "'template_repository' was unexpected"),
];

#[test]
fn githubs_own_examples_fit() {
    let spec = Spec::load();
    let examples = examples(&spec);
    assert!(examples.len() > 30, "only {} examples", examples.len());
    for exchange in &examples {
        let answers: Vec<_> =
            spec.check(exchange).into_iter().filter(|fault| fault.contains(": answer")).collect();
        let slip = SLIPS.iter().find(|(path, _)| exchange.path.ends_with(path)).map(|(_, slip)| *slip);
        assert!(answers.iter().all(|fault| slip.is_some_and(|slip| fault.contains(slip))), "{answers:#?}");
    }
}

fn exchange(method: &str, target: &str, request: Value, status: u16, response: Value) -> Exchange {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let bytes = |value: Value| if value.is_null() { Vec::new() } else { value.to_string().into_bytes() };
    Exchange {
        method: method.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        request: bytes(request),
        status,
        response: bytes(response),
    }
}

fn runner() -> Value {
    json!({"id": 7, "name": "ci-1", "os": "linux", "status": "online", "busy": false, "labels": []})
}

fn with(mut value: Value, field: &str, to: Value) -> Value {
    value[field] = to;
    value
}

#[test]
fn each_mistake_is_reported() {
    let spec = Spec::load();
    let runners = |items: Vec<Value>| json!({"total_count": items.len(), "runners": items});
    let jit = json!({"name": "ci-1", "runner_group_id": 1, "labels": ["docker"]});
    let made = json!({"runner": runner(), "encoded_jit_config": "e30="});
    let list = "/repos/o/r/actions/runners";
    let generate = "/repos/o/r/actions/runners/generate-jitconfig";
    let get = |target: &str, status, answer| exchange("GET", target, Value::Null, status, answer);
    let rows = [
        ("a list", get(list, 200, runners(vec![runner()])), None),
        ("a list of a page", get(&format!("{list}?per_page=100&page=2"), 200, runners(vec![])), None),
        (
            "the next of a page",
            get(&format!("{list}?perpage=100"), 200, runners(vec![])),
            Some("perpage is not documented"),
        ),
        (
            "a page that is no number",
            get(&format!("{list}?page=two"), 200, runners(vec![])),
            Some("parameter page"),
        ),
        (
            "a status that no run has",
            get("/repos/o/r/actions/runs?status=asleep", 200, json!({"total_count": 0, "workflow_runs": []})),
            Some("parameter status"),
        ),
        (
            "a field of another type",
            get(list, 200, runners(vec![with(runner(), "busy", json!("no"))])),
            Some("answer/runners/0/busy"),
        ),
        (
            "a field that GitHub does not have",
            get(list, 200, runners(vec![with(runner(), "mood", json!("fine"))])),
            Some("'mood' was unexpected"),
        ),
        (
            "a field less",
            get(list, 200, json!({"runners": []})),
            Some("\"total_count\" is a required property"),
        ),
        ("nothing where there should be a list", get(list, 200, Value::Null), Some("not JSON")),
        (
            "a status that is not documented",
            get(list, 202, runners(vec![])),
            Some("status is not documented"),
        ),
        ("a status that every route has", get(list, 503, Value::Null), None),
        ("an error", get(list, 403, json!({"message": "no", "status": "403"})), None),
        ("an error that is none", get(list, 403, json!({"message": 5})), Some("answer/message")),
        ("not modified, and yet a body", get(list, 304, runners(vec![])), Some("must have no body")),
        (
            "a path that nobody has",
            get("/repos/o/r/actions/walkers", 404, Value::Null),
            Some("no such route"),
        ),
        (
            "a number that is none",
            get("/repos/o/r/actions/runners/x", 404, Value::Null),
            Some("parameter runner_id"),
        ),
        ("a removal", exchange("DELETE", &format!("{list}/7"), Value::Null, 204, Value::Null), None),
        (
            "a removal that answers something",
            exchange("DELETE", &format!("{list}/7"), Value::Null, 204, json!({})),
            Some("must have no body"),
        ),
        (
            "a removal that says something",
            exchange("DELETE", &format!("{list}/7"), json!({}), 204, Value::Null),
            Some("request must have no body"),
        ),
        ("a configuration", exchange("POST", generate, jit.clone(), 201, made.clone()), None),
        (
            "a configuration of nothing",
            exchange("POST", generate, Value::Null, 201, made.clone()),
            Some("request needs a body"),
        ),
        (
            "a configuration without labels",
            exchange("POST", generate, with(jit.clone(), "labels", json!([])), 201, made.clone()),
            Some("request/labels"),
        ),
        (
            "a configuration with a slip of the pen",
            exchange("POST", generate, with(jit, "workfolder", json!("_work")), 201, made),
            Some("'workfolder' was unexpected"),
        ),
    ];
    for (situation, exchange, expected) in rows {
        let faults = spec.check(&exchange);
        match expected {
            None => assert_eq!(faults, Vec::<String>::new(), "{situation}"),
            Some(expected) => {
                assert!(faults.len() == 1 && faults[0].contains(expected), "{situation}: {faults:?}");
            }
        }
    }
}
