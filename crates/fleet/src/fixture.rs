//! Plain values for the tests of this crate.

mod scene;

use std::sync::Arc;

use jiff::Timestamp;

use crate::config::Fleet;
use crate::model::{Job, JobId, JobStatus, NamedJob, RunId};

pub(crate) use scene::*;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).expect("in range")
}

/// The job of that number, as a runner runs it.
pub(crate) fn runs(id: u64) -> Arc<NamedJob> {
    Arc::new(JobId(id).into())
}

/// A job of `o/r` for any self-hosted runner, queued since that second.
pub(crate) fn queued_job(id: u64, created: i64) -> Job {
    Job {
        id: JobId(id),
        run_id: RunId(1),
        repo: "o/r".parse().expect("valid"),
        name: "build".into(),
        workflow: None,
        link: None,
        status: JobStatus::Queued,
        labels: vec!["self-hosted".into()],
        created_at: at(created),
        started_at: None,
        runner_name: None,
    }
}

/// A fleet on `o/r`; `scaling` is the inside of its `[scaling]` table, after the keys of the top.
pub(crate) fn fleet(name: &str, scaling: &str) -> Fleet {
    fleet_with(name, "", scaling)
}

pub(crate) fn fleet_with(name: &str, top: &str, scaling: &str) -> Fleet {
    let repo = if top.contains("org =") { "" } else { "repo = \"o/r\"" };
    let text = format!(
        r#"
{repo}
{top}
[scaling]
{scaling}
[vm]
subscription_id = "00000000-0000-0000-0000-000000000000"
resource_group = "rg"
location = "westeurope"
sizes = ["Standard_D4s_v5"]
image = "Canonical:ubuntu-24_04-lts:server:latest"
subnet_id = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
"#
    );
    Fleet::parse("test.toml", name.parse().expect("a valid name"), &text)
        .unwrap_or_else(|problems| panic!("{problems}"))
}
