//! What a roll says of itself, step by step.

use super::*;
use crate::fixture::Entry::{Busy, Idle, Offline};
use crate::fixture::Scene;

/// A runner that was made from another configuration.
fn old(scene: Scene, number: u32, entry: crate::fixture::Entry) -> Scene {
    scene.runner(number, 600, entry).last_vm(|vm| vm.tags.config_hash = "before".into())
}

fn told(scene: &Scene) -> String {
    scene.plan().roll.as_ref().map_or("none".to_owned(), |roll| RollStatus::from(roll).to_string())
}

#[test]
fn how_many_of_how_many_and_what_comes_next() {
    let scene = |scaling: &str| Scene::new(scaling);
    let three = |entry| old(old(old(scene("min_runners = 3"), 1, entry), 2, Idle), 3, Idle);
    let name = |number| scene("").name(number, 600);
    let replaced_by = |number: u32, entry| {
        let tag = name(1).to_string();
        three(Idle).runner(number, 60, entry).last_vm(|vm| vm.tags.replaces = Some(tag.into()))
    };
    let new = scene("").name(4, 60);
    let day = 25 * 3600;
    for (situation, scene, expected) in [
        ("all are as the file says", scene("min_runners = 1").runner(1, 600, Idle), "none".to_owned()),
        (
            "the configuration has changed",
            three(Idle),
            format!("0 of 3 up to date (the configuration has changed); next: a runner starts that replaces {}", name(1)),
        ),
        (
            "the replacement starts, and does not count yet",
            replaced_by(4, Offline),
            format!(
                "0 of 3 up to date (the configuration has changed); next: {new} starts, and {} goes once it is online",
                name(1)
            ),
        ),
        (
            "the replacement is online: it counts, and the old one does not",
            replaced_by(4, Idle),
            "1 of 3 up to date (the configuration has changed); next: waits until the fleet has its target and starts \
             succeed"
                .to_owned(),
        ),
        (
            "no room for a second one",
            old(scene("min_runners = 1\nmax_runners = 1"), 1, Idle),
            format!(
                "0 of 1 up to date (the configuration has changed); next: {} goes first, since max_runners leaves no room \
                 for both",
                name(1)
            ),
        ),
        (
            "busy ones go after their jobs",
            old(scene("").runner(2, 60, Idle), 1, Busy),
            "1 of 2 up to date (the configuration has changed); next: 1 busy runner goes after its job".to_owned(),
        ),
        (
            "age",
            scene("min_runners = 1").runner(1, day, Idle),
            format!(
                "0 of 1 up to date (older than rotation_interval); next: a runner starts that replaces {}",
                scene("").name(1, day)
            ),
        ),
    ] {
        assert_eq!(told(&scene), expected, "{situation}");
    }
}

#[test]
fn a_fleet_that_is_not_enabled_or_cannot_be_seen_rolls_nothing() {
    let mut scene = old(Scene::new("min_runners = 1"), 1, Idle);
    scene.fleet.enabled = false;
    assert_eq!(told(&scene), "none");
    scene.fleet.enabled = true;
    scene.seen.vms = Err("503".to_owned());
    assert_eq!(told(&scene), "none");
}
