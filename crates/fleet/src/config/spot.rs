//! Spot VMs: cheaper, and Azure may evict them.

use toml::de::DeValue;

use super::reader::{Table, flag, number};
use crate::model::Spot;

/// The spot settings of a fleet's file.
pub(super) struct SpotConfig {
    pub(super) spot: Option<Spot>,
    pub(super) share: u32,
    pub(super) regular_fallback: bool,
}

pub(super) fn read(table: &mut Table<'_, '_>) -> SpotConfig {
    let is_spot = table.or("spot", false, flag);
    let max_price = table.spanned("max_price", price);
    let share = table.spanned("spot_share", number(1..=100));
    let fallback = table.spanned("regular_fallback", flag);
    let only_of_spot = [
        (max_price.as_ref().map(|(_, span)| span), "max_price", "only a spot VM has a maximum price"),
        (share.as_ref().map(|(_, span)| span), "spot_share", "only spot VMs have a share"),
        (
            fallback.as_ref().filter(|(fallback, _)| *fallback).map(|(_, span)| span),
            "regular_fallback",
            "only for spot VMs there is something to fall back to",
        ),
    ];
    for (span, key, message) in only_of_spot {
        if let (Some(span), false) = (span, is_spot) {
            table.conflict(span.clone(), key, message.to_owned(), Some("add: spot = true".to_owned()));
        }
    }
    SpotConfig {
        spot: is_spot.then(|| Spot { max_price: max_price.map(|(price, _)| price) }),
        share: share.map_or(100, |(share, _)| share),
        regular_fallback: fallback.is_some_and(|(fallback, _)| fallback),
    }
}

pub(super) fn price(value: &DeValue<'_>) -> Result<f64, String> {
    let float = value.as_float().and_then(|number| number.as_str().parse::<f64>().ok());
    let whole = value.as_integer().and_then(|number| number.as_str().parse::<f64>().ok());
    float
        .or(whole)
        .filter(|price| price.is_finite() && *price > 0.0)
        .ok_or_else(|| "US dollars an hour, more than 0, such as 0.25".to_owned())
}
