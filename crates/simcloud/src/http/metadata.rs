//! Azure's instance metadata service, as a machine finds it at 169.254.169.254: the user data of its own VM.

use super::message::{SimRequest, SimResponse};
use crate::world::World;

/// The answer to the machine of this VM; `None` if the request is for another service.
pub(crate) fn answer(world: &World, request: &SimRequest) -> Option<SimResponse> {
    let machine = request.machine.as_deref().filter(|_| request.path.starts_with("/metadata/"))?;
    Some(if request.method != "GET" {
        SimResponse::empty(405)
    } else if request.metadata_header.as_deref() != Some("true") || request.parameter("api-version").is_none()
    {
        // It also keeps a page in a browser from reading it.
        SimResponse::text(
            400,
            r#"{"error": "Bad request. api-version is missing, or the header Metadata."}"#.to_owned(),
        )
    } else if request.path == "/metadata/instance/compute/userData" {
        let vm = world.state.azure.vms.values().find(|vm| vm.name == machine);
        let data = vm.and_then(|vm| vm.body["properties"]["userData"].as_str()).unwrap_or_default();
        SimResponse::text(200, data.to_owned()).header("content-type", "text/plain")
    } else {
        SimResponse::text(404, r#"{"error": "Not found"}"#.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::{SimVm, key};
    use crate::workload::Workload;

    const PATH: &str = "/metadata/instance/compute/userData";

    fn asked(machine: Option<&str>, path: &str, header: Option<&str>) -> SimRequest {
        SimRequest {
            method: "GET".to_owned(),
            path: path.to_owned(),
            query: "api-version=2021-01-01&format=text".to_owned(),
            machine: machine.map(str::to_owned),
            metadata_header: header.map(str::to_owned),
            ..SimRequest::default()
        }
    }

    #[test]
    fn a_machine_reads_the_user_data_of_its_own_vm() {
        let mut world = World::new(&Workload::default(), jiff::Timestamp::UNIX_EPOCH);
        for (uid, name, data) in [(1, "a", json!("eA==")), (2, "b", json!(null))] {
            let body = json!({"properties": {"userData": data}});
            let vm = SimVm::asked(uid, ("s", "g", name), body, jiff::Timestamp::UNIX_EPOCH);
            world.state.azure.vms.insert(key("s", "g", name), vm);
        }
        let get = |asked: SimRequest| answer(&world, &asked).map(|got| (got.status, got.body.to_vec()));
        assert_eq!(get(asked(Some("a"), PATH, Some("true"))), Some((200, b"eA==".to_vec())));
        assert_eq!(get(asked(Some("b"), PATH, Some("true"))), Some((200, Vec::new())));
        assert_eq!(get(asked(Some("a"), PATH, None)).map(|got| got.0), Some(400));
        assert_eq!(get(asked(Some("a"), "/metadata/x", Some("true"))).map(|got| got.0), Some(404));
        assert_eq!(get(asked(None, PATH, Some("true"))), None, "no machine asks");
        assert_eq!(get(asked(Some("a"), "/_runner/register", Some("true"))), None);
    }
}
