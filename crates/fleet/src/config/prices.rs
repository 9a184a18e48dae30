//! The prices of VMs: `[prices]` of `azlin.toml`, which overrides azlin's own table.

use toml::de::DeValue;

use super::problem::Problems;
use super::reader::{ConfigFile, Table};
use super::spot::price;
use crate::model::{MicroDollars, PriceTable, Prices};

/// azlin's own price table.
const BUILT_IN: &str = include_str!("prices.toml");

#[expect(clippy::expect_used, reason = "an invariant, which the message states")]
pub(super) fn read(table: Table<'_, '_>) -> Prices {
    let own = of_table(table);
    let Prices { mut as_of, mut on_demand, mut spot, mut disk } =
        built_in().expect("the table that comes with azlin is tested");
    if !own.as_of.is_empty() {
        as_of = own.as_of;
    }
    if own.disk > 0 {
        disk = own.disk;
    }
    on_demand.extend(&own.on_demand);
    spot.extend(&own.spot);
    Prices { as_of, on_demand, spot, disk }
}

fn built_in() -> Result<Prices, Problems> {
    let file = ConfigFile::new("prices.toml", BUILT_IN);
    let prices = of_table(file.root());
    file.finish(Some(prices))
}

fn of_table(mut table: Table<'_, '_>) -> Prices {
    let as_of = table.optional("as_of", day).unwrap_or_default();
    let disk = table.optional("disk_gb_month", |value| of_size("disk", value)).unwrap_or_default();
    let on_demand = by_region(&mut table, "on_demand");
    let spot = by_region(&mut table, "spot");
    table.finish();
    Prices { as_of, on_demand, spot, disk }
}

fn by_region(table: &mut Table<'_, '_>, key: &'static str) -> PriceTable {
    let mut prices = PriceTable::default();
    for (region, sizes) in table.named_tables(key, region) {
        for (size, hour) in sizes.chosen(of_size) {
            prices.set(&region, &size, hour);
        }
    }
    prices
}

fn region(name: &DeValue<'_>) -> Result<String, String> {
    let is_one = |name: &&str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    name.as_str().filter(is_one).map(str::to_owned).ok_or_else(|| "a region, such as westeurope".to_owned())
}

fn of_size(size: &str, value: &DeValue<'_>) -> Result<MicroDollars, String> {
    if !size.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err("a size as Azure writes it, such as Standard_D4s_v5 = 0.25".to_owned());
    }
    // The cheapest VM of a cloud costs some thousand of these per hour, the dearest a hundred million.
    price(value).map(|dollars| (dollars * 1e6).round() as MicroDollars)
}

fn day(value: &DeValue<'_>) -> Result<String, String> {
    let text = value.as_str().filter(|text| text.parse::<jiff::civil::Date>().is_ok());
    text.map(str::to_owned).ok_or_else(|| "a day in quotes, such as \"2026-11-27\"".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::DaemonConfig;

    #[test]
    fn the_table_that_comes_with_azlin_is_good_and_dated() {
        let prices = built_in().expect("a good table");
        assert!(!prices.as_of.is_empty());
        let hour = |size: &str| prices.hour(size, "eastus", false).map(|price| price.hour);
        assert_eq!(hour("Standard_D4s_v5"), Some(192_000));
        // GPU sizes, and one whose price no two sources agree on.
        assert_eq!(hour("Standard_NC4as_T4_v3"), Some(526_000));
        assert_eq!(hour("Standard_ND96isr_H100_v5"), Some(98_320_000));
        assert_eq!(hour("Standard_NC96ads_A100_v4"), None, "not known, and never 0");
        for series in ["s", "as", "ds", "ads", "ps"] {
            let of = |cores: u64| hour(&format!("Standard_D{cores}{series}_v5")).unwrap_or_default();
            for cores in [4, 8, 16] {
                assert!(of(cores).abs_diff(2 * of(cores / 2)) <= 2_000, "{series} {cores}: twice the half");
            }
        }
    }

    #[test]
    fn the_file_replaces_what_it_names_and_leaves_the_rest() {
        let text = "[prices]\nas_of = \"2027-01-31\"\n[prices.on_demand.westeurope]\nStandard_D4s_v5 = 0.23\n\
                    [prices.on_demand.eastus]\nStandard_D4s_v5 = 0.1\n[prices.spot.westeurope]\nStandard_D4s_v5 = 0.05\n";
        let prices = DaemonConfig::parse("azlin.toml", text).expect("a good file").prices;
        let hour = |size, region, is_spot| prices.hour(size, region, is_spot).map(|price| price.hour);
        assert_eq!(prices.as_of, "2027-01-31");
        assert_eq!(prices.disk, 75_000, "azlin's own");
        assert_eq!(hour("Standard_D4s_v5", "westeurope", false), Some(230_000));
        assert_eq!(hour("Standard_D4s_v5", "westeurope", true), Some(50_000));
        assert_eq!(hour("Standard_D4s_v5", "eastus", false), Some(100_000));
        assert_eq!(hour("Standard_D2s_v5", "eastus", false), Some(96_000), "as it comes");
    }

    #[test]
    fn what_is_no_price_is_told() {
        let table = [
            ("[prices]\nas_of = \"soon\"", "prices.as_of: found \"soon\"; allowed: a day in quotes"),
            ("[prices]\nondemand = 1", "did you mean on_demand?"),
            ("[prices.spot.\"West Europe\"]\nx = 1", "allowed: a region, such as westeurope"),
            ("[prices.spot.westeurope]\nStandard_D4s_v5 = 0", "allowed: US dollars an hour, more than 0"),
            ("[prices.spot.westeurope]\n\"D4s v5\" = 1", "allowed: a size as Azure writes it"),
        ];
        for (text, told) in table {
            let problems = DaemonConfig::parse("azlin.toml", text).expect_err(text).to_string();
            assert!(problems.contains(told), "{text}: {problems}");
        }
    }
}
