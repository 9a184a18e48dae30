//! What a VM's time is used for at a moment, and a map with one value for each use.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What a VM's time is used for at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The VM is not a runner yet.
    Starting,
    /// The runner runs a job.
    Busy,
    /// The runner is online and has no job.
    Idle,
    /// The VM is no runner any more, and is not removed yet.
    Leaving,
    /// The VM is deallocated, and costs its disk alone.
    Standby,
}

impl Use {
    /// All uses, in the order in which they are shown.
    pub const ALL: [Use; 5] = [Use::Starting, Use::Busy, Use::Idle, Use::Leaving, Use::Standby];

    /// The name of the use, in JSON and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Use::Starting => "starting",
            Use::Busy => "busy",
            Use::Idle => "idle",
            Use::Leaving => "leaving",
            Use::Standby => "standby",
        }
    }
}

/// A map with one value for each use. In JSON it is an object with the names of the uses as keys, usually
/// flattened into the surrounding object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ByUse<T>([T; Use::ALL.len()]);

impl<T> ByUse<T> {
    /// The map with the result of `value` for each use.
    pub fn from_fn(value: impl FnMut(Use) -> T) -> Self {
        ByUse(Use::ALL.map(value))
    }

    /// Each use with its value.
    pub fn iter(&self) -> impl Iterator<Item = (Use, &T)> {
        Use::ALL.into_iter().zip(&self.0)
    }

    /// Writes each value under the use's name and a suffix. What most fleets lack is written where there is any.
    pub(crate) fn write<S: Serializer>(&self, suffix: &str, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize + Default + PartialEq,
    {
        let is_written = |(of, value): &(Use, &T)| *of != Use::Standby || **value != T::default();
        let written = self.iter().filter(is_written);
        serializer.collect_map(written.map(|(of, value)| (format!("{}{suffix}", of.as_str()), value)))
    }

    /// Reads what [`ByUse::write`] wrote. A missing value is zero, and other keys are ignored.
    pub(crate) fn read<'de, D: Deserializer<'de>>(
        suffix: &'static str,
        deserializer: D,
    ) -> Result<Self, D::Error>
    where
        T: Deserialize<'de> + Default,
    {
        deserializer.deserialize_map(UseKeys { suffix, value: PhantomData })
    }
}

impl<T> Index<Use> for ByUse<T> {
    type Output = T;

    fn index(&self, of: Use) -> &T {
        &self.0[of as usize]
    }
}

impl<T> IndexMut<Use> for ByUse<T> {
    fn index_mut(&mut self, of: Use) -> &mut T {
        &mut self.0[of as usize]
    }
}

impl<T: Serialize + Default + PartialEq> Serialize for ByUse<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.write("", serializer)
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for ByUse<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ByUse::read("", deserializer)
    }
}

/// Reads an object whose keys are names of uses with a suffix.
struct UseKeys<T> {
    suffix: &'static str,
    value: PhantomData<T>,
}

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for UseKeys<T> {
    type Value = ByUse<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value for each use of a VM")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ByUse<T>, A::Error> {
        let mut values = ByUse::from_fn(|_| T::default());
        while let Some(key) = map.next_key::<String>()? {
            let word = key.strip_suffix(self.suffix);
            match Use::ALL.into_iter().find(|of| word == Some(of.as_str())) {
                Some(of) => values[of] = map.next_value()?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Around {
        first: u32,
        #[serde(flatten)]
        values: ByUse<u32>,
        last: String,
    }

    #[test]
    fn it_is_flattened_into_the_object_around_it() {
        let values = ByUse::from_fn(|of| of as u32 + 1);
        let around = Around { first: 0, values, last: "x".to_owned() };
        let text = r#"{"first":0,"starting":1,"busy":2,"idle":3,"leaving":4,"standby":5,"last":"x"}"#;
        assert_eq!(serde_json::to_string(&around).expect("it is written"), text);
        assert_eq!(serde_json::from_str::<Around>(text).expect("it is read"), around);
    }

    #[test]
    fn what_is_missing_is_zero_and_what_is_unknown_is_left_out() {
        let text = r#"{"busy":2,"asleep":{"a":[1]},"starting_ms":9}"#;
        let values: ByUse<u32> = serde_json::from_str(text).expect("it is read");
        assert_eq!(Use::ALL.map(|of| values[of]), [0, 2, 0, 0, 0]);
        assert_eq!(values.iter().filter(|(_, value)| **value > 0).count(), 1);
        let wrong = serde_json::from_str::<ByUse<u32>>("[1]").expect_err("it is no object");
        assert!(wrong.to_string().contains("a value for each use of a VM"), "{wrong}");
    }
}
