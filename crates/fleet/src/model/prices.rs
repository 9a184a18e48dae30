//! What a VM costs an hour, by its size, its region, and whether Azure may evict it.

use std::collections::BTreeMap;

/// Millionths of a US dollar.
pub type MicroDollars = u64;

/// Prices of an hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    /// The day that they are of, for people.
    pub as_of: String,
    /// Those of VMs that Azure leaves to us.
    pub on_demand: PriceTable,
    /// Those of VMs that Azure may evict.
    pub spot: PriceTable,
}

/// Prices by region and size. Neither has a case.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceTable(BTreeMap<String, BTreeMap<String, MicroDollars>>);

/// What an hour of a VM costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// The price.
    pub hour: MicroDollars,
    /// Whether the table has it so. Else it is that of the same VM elsewhere, or of one that is not evicted.
    pub is_listed: bool,
}

/// The region whose prices stand for those of regions that are in no table.
const USUAL: &str = "eastus";

impl PriceTable {
    /// Puts a price in, in the place of the one that was there.
    pub fn set(&mut self, region: &str, size: &str, hour: MicroDollars) {
        self.0.entry(region.to_ascii_lowercase()).or_default().insert(size.to_ascii_lowercase(), hour);
    }

    /// Puts all of another table in, in the place of what was there.
    pub fn extend(&mut self, other: &PriceTable) {
        for (region, sizes) in &other.0 {
            for (size, hour) in sizes {
                self.set(region, size, *hour);
            }
        }
    }

    fn get(&self, region: &str, size: &str) -> Option<MicroDollars> {
        self.0.get(region)?.get(size).copied()
    }
}

impl Prices {
    /// What an hour of such a VM costs, as far as is known.
    pub fn hour(&self, size: &str, region: &str, is_spot: bool) -> Option<Price> {
        let (size, region) = (size.to_ascii_lowercase(), region.to_ascii_lowercase());
        let own = if is_spot { &self.spot } else { &self.on_demand };
        let estimated = || self.on_demand.get(&region, &size).or_else(|| self.on_demand.get(USUAL, &size));
        match own.get(&region, &size) {
            Some(hour) => Some(Price { hour, is_listed: true }),
            None => estimated().map(|hour| Price { hour, is_listed: false }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_that_of_the_table_or_one_that_is_like_it() {
        let mut prices = Prices::default();
        prices.on_demand.set("eastus", "Standard_D4s_v5", 192_000);
        prices.on_demand.set("westeurope", "Standard_D4s_v5", 230_000);
        prices.spot.set("westeurope", "Standard_D4s_v5", 50_000);
        let listed = |hour| Some(Price { hour, is_listed: true });
        let estimated = |hour| Some(Price { hour, is_listed: false });
        let table = [
            ("of its region", "westeurope", "Standard_D4s_v5", false, listed(230_000)),
            ("spelled by Azure in another way", "WestEurope", "standard_d4s_V5", false, listed(230_000)),
            ("that may be evicted", "westeurope", "Standard_D4s_v5", true, listed(50_000)),
            ("that may be evicted, of no known price", "eastus", "Standard_D4s_v5", true, estimated(192_000)),
            ("of a region in no table", "norwayeast", "Standard_D4s_v5", false, estimated(192_000)),
            ("of a size in no table", "eastus", "Standard_M416", false, None),
        ];
        for (what, region, size, is_spot, expected) in table {
            assert_eq!(prices.hour(size, region, is_spot), expected, "{what}");
        }
    }

    #[test]
    fn what_is_put_in_later_counts() {
        let mut prices = PriceTable::default();
        prices.set("eastus", "Standard_D4s_v5", 1);
        let mut own = PriceTable::default();
        own.set("EastUS", "standard_d4s_v5", 2);
        prices.extend(&own);
        assert_eq!(prices.get("eastus", "standard_d4s_v5"), Some(2));
    }
}
