//! What a VM costs per hour, by size, region, and whether Azure may evict it.

use std::collections::BTreeMap;

/// Millionths of a US dollar.
pub type MicroDollars = u64;

/// Prices per hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    /// The date of the prices, for people.
    pub as_of: String,
    /// Prices of regular VMs.
    pub on_demand: PriceTable,
    /// Prices of spot VMs.
    pub spot: PriceTable,
    /// The price of a gigabyte of a VM's disk for a month.
    pub disk: MicroDollars,
}

/// Prices by region and size. Case does not count in either.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PriceTable(BTreeMap<String, BTreeMap<String, MicroDollars>>);

/// The price of a VM per hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// The price per hour.
    pub hour: MicroDollars,
    /// Whether the table lists this price. If not, it is the price of the same VM in another region, or of a
    /// regular VM.
    pub is_listed: bool,
}

/// The region whose prices stand in for regions that the table lacks.
const USUAL: &str = "eastus";

impl PriceTable {
    /// Sets a price, and replaces the previous one.
    pub fn set(&mut self, region: &str, size: &str, hour: MicroDollars) {
        self.0.entry(region.to_ascii_lowercase()).or_default().insert(size.to_ascii_lowercase(), hour);
    }

    /// Adds all prices of another table, and replaces previous ones.
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
    /// The price of such a VM per hour, if known.
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

/// The sizes in which Azure sells disks, in GB (Learn: Azure managed disk types, Standard SSDs).
const DISKS: [u32; 11] = [4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096];
/// The size of the disk of a VM whose file names none: that of the usual images.
const USUAL_DISK: u32 = 32;
/// The hours of a month, as Azure counts them.
const MONTH: f64 = 730.0;

impl Prices {
    /// The price per hour, in dollars, of a disk of so many GB. Azure sells disks by the size that fits.
    pub fn disk_hour(&self, size_gb: Option<u32>) -> f64 {
        let size = size_gb.unwrap_or(USUAL_DISK);
        let sold = DISKS.into_iter().find(|sold| *sold >= size).unwrap_or(size);
        self.disk as f64 / 1e6 * f64::from(sold) / MONTH
    }
}

/// Dollars for people: with cents, and with as many places as a small sum needs. Nothing is `$0.00`, never `$-0.00`.
pub fn dollars(value: f64) -> String {
    // Adding 0 takes the sign from -0, which the sum of nothing is.
    let value = (value * 1e4).round() / 1e4 + 0.0;
    let (sign, value) = (if value < 0.0 { "-" } else { "" }, value.abs());
    if value == 0.0 || value >= 0.1 { format!("{sign}${value:.2}") } else { format!("{sign}${value:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_costs_nothing_whatever_its_sign_is() {
        let none: f64 = [0.0_f64; 0].iter().sum();
        for (value, expected) in [
            (0.0, "$0.00"),
            (-0.0, "$0.00"),
            (none, "$0.00"),
            (-0.000_04, "$0.00"),
            (0.000_04, "$0.00"),
            (0.0123, "$0.0123"),
            (0.1, "$0.10"),
            (12.345, "$12.35"),
            (-1.0, "-$1.00"),
        ] {
            assert_eq!(dollars(value), expected, "{value:?}");
        }
    }

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
    fn a_disk_costs_as_the_next_size_that_is_sold() {
        let prices = Prices { disk: 73_000, ..Prices::default() };
        for (size, gb) in
            [(None, 32.0), (Some(30), 32.0), (Some(32), 32.0), (Some(33), 64.0), (Some(5000), 5000.0)]
        {
            assert!((prices.disk_hour(size) - gb * 0.0001).abs() < 1e-12, "{size:?}");
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
