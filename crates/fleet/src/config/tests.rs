mod good;
mod standby;

use super::*;

fn pools(names: &[&str]) -> Vec<PoolName> {
    names.iter().map(|name| name.parse().expect("a valid name")).collect()
}

#[test]
fn pools_whose_runners_would_bear_the_same_names_clash() {
    let all = pools(&["ci_x", "CI-x", "other", "ci-x-2"]);
    assert_eq!(name_clash(&all[0], &all), Some(&all[1]));
    assert_eq!(name_clash(&all[1], &all), Some(&all[0]));
    assert_eq!(name_clash(&all[2], &all), None, "itself is no other");
    let clashes = name_clashes(&all);
    assert_eq!(clashes, BTreeMap::from([(&all[0], &all[1]), (&all[1], &all[0])]));
    let three = pools(&["a_b", "a-b", "A-b"]);
    let clashes = name_clashes(&three);
    assert_eq!(clashes.len(), 3, "each of three");
    assert!(clashes.iter().all(|(one, other)| one != other), "{clashes:?}");
    assert_eq!(name_clashes(&pools(&["a", "b"])), BTreeMap::new());
}
