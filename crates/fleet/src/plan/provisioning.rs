//! How many runners may be started at the same time?

/// How many provisioning operations one of `fleets` fleets may have under way, where the daemon allows `limit` for all.
///
/// A burst of one fleet must not keep the others from starting any: where there are several, a quarter of the limit, and
/// at least one operation, is left to them. A limit of one cannot be divided.
pub fn fleet_share(limit: usize, fleets: usize) -> usize {
    if fleets > 1 { (limit - (limit / 4).max(1)).max(1) } else { limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_several_fleets_a_quarter_is_left_to_the_others() {
        let shares = [(10, 1), (1, 1), (10, 2), (10, 1000), (3, 2), (2, 2), (1, 2), (8, 3)];
        let expected = [10, 1, 8, 8, 2, 1, 1, 6];
        assert_eq!(shares.map(|(limit, fleets)| fleet_share(limit, fleets)), expected);
    }
}
