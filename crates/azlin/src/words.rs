//! What is said of a pool that does not exist.

use azlin_fleet::explain::nearest;
use azlin_fleet::model::PoolName;

/// Says that there is no such pool, and which existing pool may be meant.
pub fn no_such_pool<'n>(pool: &PoolName, names: impl IntoIterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    let near = nearest(pool.as_str(), names.iter().copied());
    let told = match (near.as_slice(), names.len()) {
        ([], 0) => "there is none yet: azlin github-runner enable makes one".to_owned(),
        ([], 1..=20) => format!("there are: {}", names.join(", ")),
        ([], many) => format!("there are {many} others: azlin github-runner status shows them"),
        (near, _) => format!("did you mean {}?", near.join(", or ")),
    };
    format!("there is no pool {pool}; {told}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_pool_may_be_meant() {
        let names = ["builds", "ci-workers", "ci-gpu"];
        for (asked, names, expected) in [
            ("CI-worker", &names[..], "did you mean ci-workers?"),
            ("zzz", &names, "there are: builds, ci-workers, ci-gpu"),
            ("zzz", &[], "there is none yet: azlin github-runner enable makes one"),
        ] {
            let told = no_such_pool(&asked.parse().expect("a name"), names.iter().copied());
            assert_eq!(told, format!("there is no pool {asked}; {expected}"));
        }
    }
}
