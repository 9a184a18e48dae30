//! The service of scale sets: who gets a job, what is told of it, and what lapses.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::Workload;
use crate::registration::TokenUse;

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn world(settings: &str, more: &str) -> World {
    let pace = "create = '10s'\nboot = '20s'\nregister = '5s'\nsession_lapse = '90s'";
    let text = format!("repositories = ['o/r', 'o/other']\n[settings]\n{pace}\n{settings}\n{more}\n");
    World::new(&Workload::parse(&text).unwrap_or_else(|error| panic!("{error}")), START)
}

fn org() -> Scope {
    "org:o".parse().expect("valid")
}

fn set(world: &mut World, name: &str, labels: &[&str]) -> u64 {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    let asked =
        AskedScaleSet { name: Some(name.to_owned()), labels: Some(labels), ..AskedScaleSet::default() };
    world.create_scale_set(&org(), asked).expect("a set")
}

fn job(world: &mut World, labels: &[&str]) -> u64 {
    let labels = labels.iter().map(|label| (*label).to_owned()).collect();
    world.submit("o/r", vec![(labels, Duration::from_secs(100))], Vec::new())[0]
}

fn until(world: &mut World, seconds: u64) {
    world.advance(START + Duration::from_secs(seconds));
}

/// Makes a VM that becomes a runner of the set.
fn vm(world: &mut World, set: u64, name: &str) -> u64 {
    let (runner, jit) = world.set_jit_config(&org(), set, name).expect("a runner");
    let custom_data = STANDARD.encode(format!("#cloud-config\nrun: {jit}\nthen: poweroff\n"));
    let body = json!({"location": "l", "properties": {"osProfile": {"customData": custom_data}}});
    world.put_vm("s", "g", name, body, true).expect("a VM");
    runner.id
}

/// A session, and what it has been told.
struct Holder {
    token: String,
    after: u64,
}

impl Holder {
    fn opens(world: &mut World, set: u64, capacity: u32) -> Holder {
        let opened = world.open_session(&org(), set, "daemon").expect("a session");
        let mut holder = Holder { token: opened.token, after: 0 };
        // The first poll says how many jobs the set may hold.
        world.poll_messages(&holder.token, u64::MAX - 1, capacity).expect("polled");
        holder.after = 0;
        holder
    }

    /// All news since the last call, in short, and the level.
    fn news(&mut self, world: &mut World, capacity: u32) -> (Vec<String>, SetStatistics) {
        let (mut all, mut level) = (Vec::new(), SetStatistics::default());
        while let PolledMessage::Message(message) =
            world.poll_messages(&self.token, self.after, capacity).expect("polled")
        {
            let body: Value = serde_json::from_str(&message.body).expect("JSON");
            for news in body.as_array().expect("a list") {
                let kind = news["messageType"].as_str().expect("a kind").trim_start_matches("Job");
                let (runner, result) = (news["runnerName"].as_str(), news["result"].as_str());
                let words =
                    [Some(kind), runner, result].into_iter().flatten().filter(|word| !word.is_empty());
                all.push(words.collect::<Vec<_>>().join(" "));
            }
            (self.after, level) = (message.id, message.statistics);
        }
        (all, level)
    }
}

#[test]
fn a_job_goes_to_a_runner_of_its_set_and_each_step_is_told() {
    let mut world = world("", "");
    let id = set(&mut world, "lin", &["lin", "docker"]);
    let mut holder = Holder::opens(&mut world, id, 10);
    job(&mut world, &["Docker"]);
    let (news, level) = holder.news(&mut world, 10);
    assert_eq!((news, level.assigned, level.running), (vec!["Assigned".to_owned()], 1, 0));
    let outsider = world.jit_config(&org(), "classic", 1, vec!["docker".to_owned()]).expect("a runner").0;
    world.state.github.runners.get_mut(&outsider.id).expect("there").online = true;
    until(&mut world, 20);
    assert_eq!(world.state.github.runners[&outsider.id].job, None, "the job is the set's");
    vm(&mut world, id, "lin-1");
    until(&mut world, 80);
    let (news, level) = holder.news(&mut world, 10);
    assert_eq!(
        (news, level.assigned, level.running, level.busy),
        (vec!["Started lin-1".to_owned()], 1, 1, 1)
    );
    until(&mut world, 200);
    let (news, level) = holder.news(&mut world, 10);
    assert_eq!((news, level), (vec!["Completed lin-1 succeeded".to_owned()], SetStatistics::default()));
}

#[test]
fn a_set_holds_no_more_than_its_owner_says_and_nothing_without_a_session() {
    let mut world = world("", "");
    let id = set(&mut world, "lin", &["lin"]);
    for _ in 0..5 {
        job(&mut world, &["lin"]);
    }
    job(&mut world, &["lin", "gpu"]);
    assert_eq!(world.set_statistics(id).assigned, 0, "nobody listens");
    let mut holder = Holder::opens(&mut world, id, 0);
    assert_eq!(world.set_statistics(id).assigned, 0);
    for (capacity, expected) in [(2, 2), (9, 5), (1, 5)] {
        holder.news(&mut world, capacity);
        assert_eq!(world.set_statistics(id).assigned, expected, "{capacity}");
    }
}

#[test]
fn a_lapse_has_a_new_id_and_after_three_the_job_fails() {
    let mut world = world("", "");
    let id = set(&mut world, "lin", &["lin"]);
    let mut holder = Holder::opens(&mut world, id, 10);
    let waits = job(&mut world, &["lin"]);
    let mut ids = std::collections::BTreeSet::new();
    for (at, expected) in [
        (0, vec!["Assigned"]),
        (301, vec!["Completed canceled", "Assigned"]),
        (602, vec!["Completed canceled", "Assigned"]),
        (903, vec!["Completed canceled"]),
    ] {
        // A client polls all the time.
        for second in (world.now().as_second()..at).step_by(50) {
            until(&mut world, second as u64);
            world.poll_messages(&holder.token, u64::MAX - 1, 10).expect("polled");
        }
        until(&mut world, at as u64);
        ids.extend(world.scale_sets.sets[&id].log.values().flat_map(|message| {
            let body: Vec<Value> = serde_json::from_str(&message.body).expect("JSON");
            body.into_iter().map(|news| news["jobId"].as_str().expect("an id").to_owned())
        }));
        assert_eq!(holder.news(&mut world, 10).0, expected, "at {at} s");
    }
    assert_eq!(ids.len(), 3, "{ids:?}");
    assert_eq!(
        world.state.github.jobs[&waits].state,
        crate::github::JobState::Completed(crate::github::Conclusion::Failure)
    );
}

#[test]
fn one_session_at_a_time_and_messages_outlive_it() {
    let mut world = world("", "");
    let id = set(&mut world, "lin", &["lin"]);
    let mut first = Holder::opens(&mut world, id, 10);
    job(&mut world, &["lin"]);
    assert_eq!(first.news(&mut world, 10).0, ["Assigned"]);
    let again = |world: &mut World| world.open_session(&org(), id, "daemon").map(|opened| opened.token);
    until(&mut world, 60);
    assert_eq!(again(&mut world), Err(ServiceRefusal::SessionConflict));
    until(&mut world, 95);
    let token = again(&mut world).expect("it has lapsed");
    assert_eq!(world.queue_of(&first.token), Err(ServiceRefusal::SessionExpired));
    let mut second = Holder { token, after: 0 };
    assert_eq!(second.news(&mut world, 10).0, ["Assigned"], "it was not deleted");
    assert_eq!(second.news(&mut world, 10).0, [""; 0], "the cursor hides it");
    second.after = 0;
    assert_eq!(second.news(&mut world, 10).0, ["Assigned"], "and deletes nothing");
    assert_eq!(world.delete_message(&second.token, 1), Ok(true));
    assert_eq!(world.delete_message(&second.token, 1), Ok(false));
    second.after = 0;
    assert_eq!(second.news(&mut world, 10).0, [""; 0]);
}

#[test]
fn a_message_has_fifty_jobs_at_most() {
    let mut world = world("", "");
    let id = set(&mut world, "lin", &["lin"]);
    Holder::opens(&mut world, id, 500);
    let jobs = (0..120).map(|_| (vec!["lin".to_owned()], Duration::from_secs(10))).collect();
    world.submit("o/r", jobs, Vec::new());
    let sizes = world.scale_sets.sets[&id].log.values().map(|message| {
        let body: Vec<Value> = serde_json::from_str(&message.body).expect("JSON");
        body.len()
    });
    assert_eq!(sizes.collect::<Vec<_>>(), [50, 50, 20]);
}

#[test]
fn an_offer_is_acquired_once() {
    let mut world = world("scale_set_offers = true", "");
    let id = set(&mut world, "lin", &["lin"]);
    let mut holder = Holder::opens(&mut world, id, 10);
    let offered = job(&mut world, &["lin"]);
    let (news, level) = holder.news(&mut world, 10);
    assert_eq!((news, level.available, level.assigned), (vec!["Available".to_owned()], 1, 0));
    assert_eq!(world.acquirable_jobs(&org(), id), Ok(vec![offered]));
    vm(&mut world, id, "lin-1");
    until(&mut world, 40);
    assert_eq!(world.set_statistics(id).running, 0, "nobody has acquired it");
    assert_eq!(world.acquire_jobs(&holder.token, &[offered, 4]), Ok(vec![offered]));
    assert_eq!(world.acquire_jobs(&holder.token, &[offered]), Ok(Vec::new()));
    assert_eq!(holder.news(&mut world, 10).0, ["Assigned"]);
    until(&mut world, 41);
    world.assign();
    assert_eq!(holder.news(&mut world, 10).0, ["Started lin-1"]);
}

#[test]
fn a_set_that_is_deleted_gives_its_jobs_back() {
    let mut world = world("", "");
    let id = set(&mut world, "lin", &["lin"]);
    let mut holder = Holder::opens(&mut world, id, 10);
    job(&mut world, &["lin"]);
    assert_eq!(holder.news(&mut world, 10).0, ["Assigned"]);
    let waiting = world.set_jit_config(&org(), id, "never").expect("a runner").0;
    assert_eq!(world.delete_scale_set(&org(), id), Ok(()));
    assert!(!world.state.github.runners.contains_key(&waiting.id));
    assert_eq!(world.queue_of(&holder.token), Err(ServiceRefusal::InvalidToken));
    let next = set(&mut world, "lin", &["lin"]);
    let mut holder = Holder::opens(&mut world, next, 10);
    assert_eq!(holder.news(&mut world, 10).0, ["Assigned"]);
    vm(&mut world, next, "lin-1");
    until(&mut world, 40);
    assert_eq!(world.delete_scale_set(&org(), next), Err(ServiceRefusal::JobStillRunning));
    let runner = world.agents(&org(), Some("lin-1"))[0].id;
    assert_eq!(world.delete_agent(&org(), runner), Err(ServiceRefusal::JobStillRunning));
    assert_eq!(world.delete_agent(&org(), 4), Ok(()));
}

#[test]
fn names_are_taken_in_a_group_and_labels_have_a_default() {
    let mut world = world("", "");
    let id = set(&mut world, "lin", &[]);
    assert_eq!(world.scale_sets.sets[&id].labels, ["lin"]);
    let asked = |group| AskedScaleSet { name: Some("LIN".to_owned()), group, ..AskedScaleSet::default() };
    assert_eq!(world.create_scale_set(&org(), asked(None)), Err(ServiceRefusal::SetExists));
    assert!(world.create_scale_set(&org(), asked(Some(2))).is_ok());
    assert_eq!(world.create_scale_set(&org(), asked(Some(9))), Err(ServiceRefusal::Invalid));
    world.set_jit_config(&org(), id, "a").expect("a runner");
    assert_eq!(world.set_jit_config(&org(), id, "a").map(|_| ()), Err(ServiceRefusal::AgentExists));
    assert_eq!(world.set_jit_config(&org(), 4, "b").map(|_| ()), Err(ServiceRefusal::NoSet));
}

#[test]
fn a_client_signs_in_for_a_scope_until_its_token_ends() {
    let mut world = world("admin_token_life = '10m'", "");
    let (registration, _) = world.issue_runner_token(&org(), TokenUse::Register);
    let other: Scope = "repo:o/r".parse().expect("valid");
    assert_eq!(world.admin_token(&other, &registration), Err(ServiceRefusal::InvalidToken));
    let token = world.admin_token(&org(), &registration).expect("signed in");
    assert_eq!(world.admin_scope(&token), Ok(org()));
    until(&mut world, 600);
    assert_eq!(world.admin_scope(&token), Err(ServiceRefusal::InvalidToken));
}

#[test]
fn what_goes_wrong_with_messages() {
    let fault = |what: &str| format!("[[faults]]\nwhat = {{ scale_set = '{what}' }}\ntimes = 1");
    let told = |what: &str| {
        let mut world = world("", &fault(what));
        let id = set(&mut world, "lin", &["lin", "more"]);
        let labels = world.scale_sets.sets[&id].labels.len();
        let mut holder = Holder::opens(&mut world, id, 10);
        job(&mut world, &["lin"]);
        let mut polled = world.poll_begins(&holder.token).map(|_| holder.news(&mut world, 10));
        if let Ok((news, _)) = &mut polled {
            vm(&mut world, id, "r");
            until(&mut world, 200);
            news.extend(holder.news(&mut world, 10).0);
        }
        (polled.map(|(news, level)| (news.len(), level.assigned)), labels)
    };
    for (what, expected) in [
        ("deleted", (Err(ServiceRefusal::NoSet), 2)),
        ("session_ended", (Err(ServiceRefusal::SessionExpired), 2)),
        ("queue_token_dies", (Err(ServiceRefusal::InvalidToken), 2)),
        ("zero_statistics", (Ok((3, 0)), 2)),
        ("end_twice", (Ok((4, 1)), 2)),
        ("end_missing", (Ok((2, 1)), 2)),
        ("labels_dropped", (Ok((3, 1)), 1)),
        ("ids_restart", (Ok((3, 1)), 2)),
    ] {
        assert_eq!(told(what), expected, "{what}");
    }
}
