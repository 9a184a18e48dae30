//! Counts and lists as people read them.

/// A count and its noun: `1 job`, `2 jobs`, `3 deliveries`.
pub fn counted(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    match (number, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{number} {stem}ies"),
        (_, _) if noun.ends_with('s') => format!("{number} {noun}es"),
        (_, _) => format!("{number} {noun}s"),
    }
}

/// The first three items, and the number of the others: `a, b, c and 2 more`.
pub fn first_few(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    let shown = items.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(3) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_several() {
        assert_eq!(
            [counted(0_u32, "job"), counted(1_usize, "job"), counted(2_u64, "job")],
            ["0 jobs", "1 job", "2 jobs"]
        );
        for (noun, several) in [
            ("delivery", "3 deliveries"),
            ("key", "3 keys"),
            ("address", "3 addresses"),
            ("repository", "3 repositories"),
        ] {
            assert_eq!(counted(3_u32, noun), several);
        }
    }

    #[test]
    fn the_first_few_of_several() {
        let of =
            |count: usize| first_few(["a", "b", "c", "d", "e"].map(str::to_owned).into_iter().take(count));
        assert_eq!([of(0), of(2), of(3), of(5)], ["", "a, b", "a, b, c", "a, b, c and 2 more"]);
    }
}
