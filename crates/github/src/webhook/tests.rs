use azlin_fleet::ports::{DeliverySignature, WebhookReader as _};

use super::*;

const OLD: &str = "an old secret of some length";
const NEW: &str = "a new secret of some length";

fn webhook() -> WebhookVerifier {
    WebhookVerifier::new(&SecretString::from(format!("{NEW}\n\n  {OLD} \n"))).expect("good secrets")
}

fn signature(secret: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body);
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

fn read(event: &str, content_type: &str, body: &[u8], signature: Option<&str>) -> Result<Delivery, NotTaken> {
    let signature = DeliverySignature::of_headers(signature.map(str::as_bytes))?;
    webhook().read(RawDelivery { event, signature, content_type, body })
}

fn signed(event: &str, body: &[u8]) -> Result<Delivery, NotTaken> {
    read(event, "application/json", body, Some(&signature(NEW, body)))
}

#[test]
fn the_signature_is_the_one_of_githubs_own_page() {
    // GitHub docs, Validating webhook deliveries: its test values.
    let webhook =
        WebhookVerifier::new(&SecretString::from("It's a Secret to Everybody")).expect("a good secret");
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    let delivery = RawDelivery {
        event: "ping",
        signature: DeliverySignature::of_headers([signature.as_bytes()])
            .expect("it is written as GitHub does"),
        content_type: "application/json",
        body: b"Hello, World!",
    };
    assert_eq!(webhook.read(delivery), Ok(Delivery::Ping));
    assert_eq!(webhook.read(RawDelivery { body: b"Hello, World?", ..delivery }), Err(NotTaken::Forged));
}

#[test]
fn every_secret_serves_and_nothing_else() {
    let body = b"{}";
    let good = signature(NEW, body);
    let ping = |signature: Option<&str>| read("ping", "application/json", body, signature);
    assert_eq!(ping(Some(&good)), Ok(Delivery::Ping));
    assert_eq!(ping(Some(&signature(OLD, body))), Ok(Delivery::Ping));
    assert_eq!(ping(Some(&good.to_uppercase().replace("SHA256", "sha256"))), Ok(Delivery::Ping));
    assert_eq!(ping(None), Err(NotTaken::Unsigned));
    let cut = &good[..good.len() - 2];
    let odd = &good[..good.len() - 1];
    let bad =
        [&signature("another secret of some length", body), "", "sha256=", cut, odd, "sha1=ab", "sha256=ä"];
    for signature in bad.into_iter().chain([good.trim_start_matches("sha256=")]) {
        assert_eq!(ping(Some(signature)), Err(NotTaken::Forged), "{signature}");
    }
}

#[test]
fn what_is_forged_is_not_even_read() {
    let forged = signature("another secret of some length", b"{");
    assert_eq!(read("workflow_job", "application/json", b"{", Some(&forged)), Err(NotTaken::Forged));
    assert!(matches!(signed("workflow_job", b"{"), Err(NotTaken::Unreadable(_))));
}

#[test]
fn real_deliveries_are_read() {
    let file = include_str!("../../../simcloud/specs/workflow-job-examples.json");
    let file: serde_json::Value = serde_json::from_str(file).expect("JSON");
    let mut seen = Vec::new();
    for example in file["examples"].as_array().expect("a list") {
        let body = example.to_string();
        let delivery = signed("workflow_job", body.as_bytes()).expect("a real one");
        let form: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &body).finish();
        let type_of_forms = "application/x-www-form-urlencoded";
        let as_form =
            read("workflow_job", type_of_forms, form.as_bytes(), Some(&signature(OLD, form.as_bytes())));
        assert_eq!(as_form.as_ref(), Ok(&delivery));
        if let Delivery::Job(job_event) = delivery {
            assert_eq!(Some(job_event.job.0), example["workflow_job"]["id"].as_u64());
            assert_eq!(job_event.run.map(|run| run.0), example["workflow_job"]["run_id"].as_u64());
            assert_eq!(
                job_event.repo.to_string(),
                example["repository"]["full_name"].as_str().unwrap_or_default().to_lowercase()
            );
            seen.push((job_event.change, job_event.labels.join(",")));
        }
    }
    let of = |wanted: JobChange| seen.iter().filter(|(change, _)| *change == wanted).count();
    assert_eq!(
        (of(JobChange::Queued), of(JobChange::Started), of(JobChange::Ended)),
        (2, 3, 2),
        "and one that waits"
    );
    assert!(seen.iter().any(|(_, labels)| labels == "self-hosted,k8s"));
}

#[test]
fn the_content_type_has_no_case_and_labels_may_be_none() {
    let body = |labels: &str| {
        format!(
            r#"{{"action":"queued","workflow_job":{{"id":7{labels}}},"repository":{{"full_name":"o/r"}}}}"#
        )
    };
    for (labels, expected) in [
        (r#","labels":["a"]"#, vec!["a"]),
        (r#","labels":null"#, vec![]),
        ("", vec![]),
        (r#","labels":[]"#, vec![]),
    ] {
        let body = body(labels);
        let form: String =
            url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &body).finish();
        for (content_type, body) in [
            ("application/json", &body),
            ("Application/JSON; charset=UTF-8", &body),
            ("application/x-www-form-urlencoded", &form),
            ("Application/X-WWW-Form-Urlencoded", &form),
            ("APPLICATION/X-WWW-FORM-URLENCODED ; charset=utf-8", &form),
        ] {
            let delivery =
                read("workflow_job", content_type, body.as_bytes(), Some(&signature(NEW, body.as_bytes())));
            let Ok(Delivery::Job(event)) = delivery else { panic!("{content_type}: {delivery:?}") };
            assert_eq!(event.labels, expected, "{content_type}");
        }
    }
}

#[test]
fn what_happened_to_a_job_is_told_by_the_action_of_any_year() {
    for (action, status, more, expected) in [
        ("queued", "queued", r#""runner_id":null,"runner_name":null,"#, Some(JobChange::Queued)),
        // An environment protects it: a look shows that it waits.
        ("queued", "waiting", r#""runner_id":null,"runner_name":null,"#, Some(JobChange::Queued)),
        ("queued", "queued", r#""runner_id":9,"runner_name":"GitHub Actions 9","#, Some(JobChange::Queued)),
        ("waiting", "waiting", "", None),
        // Of 2021: without created_at, run_attempt and workflow_name.
        ("in_progress", "in_progress", r#""runner_id":1,"runner_name":"mine","#, Some(JobChange::Started)),
        (
            "completed",
            "completed",
            r#""conclusion":"failure","created_at":"2026-01-02T03:04:05Z","#,
            Some(JobChange::Ended),
        ),
        ("some_day_new", "queued", "", None),
    ] {
        let body = format!(
            r#"{{"action":"{action}","workflow_job":{{"id":61,"run_id":5,"status":"{status}",{more}"labels":["gpu"]}},
                "repository":{{"id":77,"full_name":"mona-org/app","private":true}},"sender":{{"login":"mona"}}}}"#
        );
        let found = match signed("workflow_job", body.as_bytes()).expect("a delivery") {
            Delivery::Job(event) => Some(event.change),
            Delivery::Ping | Delivery::Other => None,
        };
        assert_eq!(found, expected, "{action} {status}");
    }
}

#[test]
fn what_concerns_no_job_is_no_error() {
    assert_eq!(signed("push", b"{}"), Ok(Delivery::Other));
    let waits =
        br#"{"action":"waiting","workflow_job":{"id":1,"labels":[]},"repository":{"full_name":"o/r"}}"#;
    assert_eq!(signed("workflow_job", waits), Ok(Delivery::Other));
}

#[test]
fn what_cannot_be_read_says_why() {
    let nowhere =
        br#"{"action":"queued","workflow_job":{"id":1,"labels":[]},"repository":{"full_name":"nothing"}}"#;
    for body in [&b"[]"[..], b"null", b"", b"payload", nowhere] {
        assert!(matches!(signed("workflow_job", body), Err(NotTaken::Unreadable(why)) if !why.is_empty()));
    }
    let form = b"something=else";
    let read = read("workflow_job", "application/x-www-form-urlencoded", form, Some(&signature(NEW, form)));
    assert_eq!(read, Err(NotTaken::Unreadable("it is a form without a payload".to_owned())));
}

#[test]
fn a_secret_that_could_be_guessed_is_refused_without_being_shown() {
    let refused =
        |text: &str| WebhookVerifier::new(&SecretString::from(text)).err().map(|error| error.to_string());
    assert!(refused("").is_some_and(|why| why.contains("holds no secret")));
    assert!(refused(" \n\n").is_some_and(|why| why.contains("holds no secret")));
    assert!(refused("# an old secret, to be removed\n").is_some_and(|why| why.contains("holds no secret")));
    let told = refused(&format!("{NEW}\nhunter2")).expect("it is too short");
    assert!(told.contains("7 characters") && !told.contains("hunter2"), "{told}");
}
