//! How the demo went.

use anyhow::Result;
use azlin_simcloud::statistics::Report;
use serde::Serialize;

use super::config::{MAX_VMS, MAXIMUMS};
use crate::args::OutputFormat;
use crate::output::print;

/// How the demo went: the object that `--output json` prints.
#[derive(Debug, Serialize)]
pub struct Summary {
    version: u32,
    jobs_submitted: u64,
    jobs_completed: u64,
    jobs_killed: u64,
    jobs_unserved: u64,
    vms_created: u64,
    vms_left: u64,
    runners_left: u64,
    peak_vms: u32,
    max_vms: u32,
    wait_p50_s: f64,
    wait_p95_s: f64,
    /// Whether a fleet ever had more VMs than its maximum.
    #[serde(skip)]
    exceeded: bool,
}

impl Summary {
    pub fn of(report: &Report) -> Self {
        let peak = |pool: &str| report.peak_by_pool.get(pool).copied().unwrap_or_default();
        Summary {
            version: 1,
            jobs_submitted: report.jobs_submitted,
            jobs_completed: report.jobs_completed,
            jobs_killed: report.jobs_killed,
            jobs_unserved: report.jobs_unserved,
            vms_created: report.vms_created,
            vms_left: report.vms_left,
            runners_left: report.runners_left,
            peak_vms: report.peak_vms,
            max_vms: MAX_VMS,
            wait_p50_s: report.wait_p50_s,
            wait_p95_s: report.wait_p95_s,
            exceeded: MAXIMUMS.iter().any(|(pool, most)| peak(pool) > *most),
        }
    }

    /// Whether every job was served and nothing is left over.
    pub fn is_good(&self) -> bool {
        !self.exceeded && self.jobs_killed + self.jobs_unserved + self.vms_left + self.runners_left == 0
    }

    pub fn print(&self, output: OutputFormat) -> Result<()> {
        let text = match output {
            OutputFormat::Json => serde_json::to_string(self)? + "\n",
            OutputFormat::Table => self.table(),
        };
        Ok(print(&text)?)
    }

    fn table(&self) -> String {
        let verdict = if self.is_good() {
            "every job was served, and nothing is left over"
        } else {
            "this is not as it should be"
        };
        format!(
            "jobs     {} submitted, {} completed, {} killed, {} unserved\n\
             VMs      {} created, at most {} of {} at once, {} left\n\
             runners  {} left\n\
             wait     p50 {:.1} s, p95 {:.1} s\n\
             {verdict}\n",
            self.jobs_submitted,
            self.jobs_completed,
            self.jobs_killed,
            self.jobs_unserved,
            self.vms_created,
            self.peak_vms,
            self.max_vms,
            self.vms_left,
            self.runners_left,
            self.wait_p50_s,
            self.wait_p95_s,
        )
    }
}

#[cfg(test)]
mod tests {
    use azlin_simcloud::{Workload, World};
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn the_object_is_of_its_documented_form() {
        let schema = include_str!("../../../../../docs/reference/schemas/demo.schema.json");
        let schema = serde_json::from_str(schema).expect("a schema is JSON");
        let report = World::new(&Workload::default(), Timestamp::UNIX_EPOCH).report();
        let found = serde_json::to_value(Summary::of(&report)).expect("it is plain values");
        let faults: Vec<String> = jsonschema::validator_for(&schema)
            .expect("a schema is one")
            .iter_errors(&found)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{faults:?}");
    }
}
