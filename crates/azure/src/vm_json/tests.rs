use super::*;
use serde_json::json;

/// A VM with everything that lists show.
fn vm(name: &str) -> Value {
    json!({
        "name": name, "type": "Microsoft.Compute/virtualMachines", "location": "northeurope", "zones": ["2"],
        "id": format!("/subscriptions/s/resourceGroups/BUILD-VMS/providers/Microsoft.Compute/virtualMachines/{name}"),
        "tags": {"azlin-runner": name, "cost-centre": "71"},
        "identity": {"type": "SystemAssigned", "principalId": "p", "tenantId": "t"},
        "properties": {
            "vmId": "9b", "provisioningState": "Succeeded", "priority": "Spot",
            "timeCreated": "2026-03-04T05:06:07.1234567+00:00",
            "hardwareProfile": {"vmSize": "Standard_D8as_v6"},
            "storageProfile": {"osDisk": {
                "osType": "Linux", "createOption": "FromImage", "caching": "ReadOnly", "diskSizeGB": 64
            }},
            "networkProfile": {"networkInterfaces": [{"id": "/nics/a"}, {"id": "/nics/b"}]},
            "instanceView": {"statuses": [{"code": "PowerState/running", "level": "Info"}]},
        }
    })
}

/// Puts a patch over a value. Null removes.
fn patch(into: &mut Value, with: &Value) {
    match with {
        Value::Object(fields) => {
            if !into.is_object() {
                *into = json!({});
            }
            for (name, field) in fields {
                if field.is_null() {
                    into.as_object_mut().expect("an object").remove(name);
                } else {
                    patch(&mut into[name.as_str()], field);
                }
            }
        }
        other => *into = other.clone(),
    }
}

#[test]
fn a_vm_as_a_list_shows_it() {
    let expected = VmJson {
        name: "ci-1".into(),
        group: "BUILD-VMS".into(),
        location: "northeurope".into(),
        tags: [("azlin-runner", "ci-1"), ("cost-centre", "71")]
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .into(),
        zone: Some("2".into()),
        size: "Standard_D8as_v6".into(),
        is_spot: true,
        provisioning_state: "Succeeded".to_owned(),
        statuses: vec![ViewStatus { code: "PowerState/running".to_owned(), message: String::new() }],
        nic: Some("/nics/a".to_owned()),
    };
    assert_eq!(one(vm("ci-1").to_string().as_bytes()), Ok(expected));
}

#[test]
fn one_odd_vm_leaves_the_list_readable() {
    for (situation, odd) in [
        ("an identity of a new kind", json!({"identity": {"type": "Borrowed"}})),
        ("another caching", json!({"properties": {"storageProfile": {"osDisk": {"caching": "Sometimes"}}}})),
        ("another system", json!({"properties": {"storageProfile": {"osDisk": {"osType": "Plan9"}}}})),
        (
            "a disk without createOption",
            json!({"properties": {"storageProfile": {"dataDisks": [{"lun": 3}]}}}),
        ),
        ("a time without a zone", json!({"properties": {"timeCreated": "2026-03-04T05:06:07"}})),
        ("a number with a point", json!({"properties": {"platformFaultDomain": 2.0}})),
        ("another level", json!({"properties": {"instanceView": {"statuses": [{"level": "Chatty"}]}}})),
        ("no location", json!({"location": null})),
        ("no properties", json!({"properties": null})),
        ("texts that are numbers", json!({"location": 5, "zones": [1], "properties": {"priority": 7}})),
        ("tags of another form", json!({"tags": ["a", "b"]})),
        ("a tag that is a number", json!({"tags": {"cost-centre": 71}})),
        ("statuses of another form", json!({"properties": {"instanceView": {"statuses": {"code": 1}}}})),
    ] {
        let mut others = vm("build-7");
        patch(&mut others, &odd);
        let body = json!({"value": [others, vm("ci-1")]}).to_string();
        let (vms, _) = page(body.as_bytes()).expect(situation);
        let names: Vec<&str> = vms.iter().map(|vm| vm.name.as_str()).collect();
        assert_eq!(names, ["build-7", "ci-1"], "{situation}");
        assert_eq!(vms[1], one(vm("ci-1").to_string().as_bytes()).expect("a VM"), "{situation}");
    }
}

#[test]
fn what_has_no_name_is_skipped_unless_it_is_ours() {
    for other in [json!(null), json!("vm"), json!({}), json!({"name": null, "tags": {"team": "x"}})] {
        let body = json!({"value": [other, vm("ci-1")], "nextLink": null}).to_string();
        let (vms, next) = page(body.as_bytes()).expect("a list");
        assert_eq!((vms.len(), next), (1, None), "{other}");
    }
    let mut nameless = vm("ci-1");
    patch(&mut nameless, &json!({"name": null}));
    assert_eq!(one(nameless.to_string().as_bytes()).expect("its id has the name").name, "ci-1");
    patch(&mut nameless, &json!({"id": null}));
    let body = json!({"value": [nameless, vm("ci-2")]}).to_string();
    assert!(page(body.as_bytes()).is_err(), "half a view");
}

#[test]
fn what_is_no_list_is_an_error() {
    for body in ["", "[]", "{}", r#"{"value": null}"#, r#"{"value": {}}"#, r#"{"value": [], "nextLink": 5}"#]
    {
        assert!(page(body.as_bytes()).is_err(), "{body}");
    }
    for body in ["", "[]", "{}", r#"{"value": []}"#] {
        assert!(one(body.as_bytes()).is_err(), "{body}");
    }
}
