"""Takes VMs of the simulated Azure through their lives, with Azure's own SDK and credentials."""

import os
import sys

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.network import NetworkManagementClient

URL = os.environ["AZURE_URL"]
GROUP = "rg"
# The base point of Ed25519, whose private half nobody has.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFhmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZm nobody"

credential = ClientSecretCredential(
    os.environ["AZURE_TENANT_ID"],
    os.environ["AZURE_CLIENT_ID"],
    os.environ["AZURE_CLIENT_SECRET"],
    authority=URL,
    disable_instance_discovery=True,
)
options = {"base_url": URL, "credential_scopes": [URL + "/.default"], "retry_total": 0}
compute = ComputeManagementClient(credential, os.environ["SUBSCRIPTION"], **options)
network = NetworkManagementClient(credential, os.environ["SUBSCRIPTION"], **options)


def check(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: found {found!r}, expected {expected!r}")


def request(name):
    """A VM with its NIC, its address and its disk."""
    return {
        "location": "westeurope",
        "tags": {"team": "ci"},
        "properties": {
            "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
            "storageProfile": {
                "imageReference": {
                    "publisher": "Canonical",
                    "offer": "ubuntu-24_04-lts",
                    "sku": "server",
                    "version": "latest",
                },
                "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
            },
            "osProfile": {
                "computerName": name,
                "adminUsername": "azlin",
                "linuxConfiguration": {
                    "disablePasswordAuthentication": True,
                    "ssh": {"publicKeys": [{"path": "/home/azlin/.ssh/authorized_keys", "keyData": KEY}]},
                },
            },
            "networkProfile": {
                "networkApiVersion": "2022-11-01",
                "networkInterfaceConfigurations": [
                    {
                        "name": name + "-nic",
                        "properties": {
                            "deleteOption": "Delete",
                            "ipConfigurations": [
                                {
                                    "name": "ip",
                                    "properties": {
                                        "subnet": {"id": "/subnet"},
                                        "publicIPAddressConfiguration": {
                                            "name": name + "-ip",
                                            "properties": {"deleteOption": "Delete"},
                                        },
                                    },
                                }
                            ],
                        },
                    }
                ],
            },
        },
    }


def power(name):
    view = compute.virtual_machines.instance_view(GROUP, name)
    return [status.code for status in view.statuses if status.code.startswith("PowerState/")]


def life():
    names = ["vm-1", "vm-2", "vm-3"]
    for poller in [compute.virtual_machines.begin_create_or_update(GROUP, name, request(name)) for name in names]:
        vm = poller.result(60)
        check("a VM that was made", vm.properties.provisioning_state, "Succeeded")
        check("its tags", dict(vm.tags), {"team": "ci"})
        disk = vm.properties.storage_profile.os_disk
        check("its disk", disk.managed_disk.id.rsplit("/", 1)[1], disk.name)
        check("its time", vm.properties.time_created.tzinfo is not None, True)
        check("its image", vm.properties.storage_profile.image_reference.exact_version is not None, True)
        nic_id = vm.properties.network_profile.network_interfaces[0].id
        nic = network.network_interfaces.get(GROUP, nic_id.rsplit("/", 1)[1])
        check("its address", nic.properties.ip_configurations[0].properties.private_ip_address is not None, True)
        check("its public address", network.public_ip_addresses.get(GROUP, vm.name + "-ip").name, vm.name + "-ip")
        check("the same disk", compute_disk(disk.managed_disk.id), True)

    check("the group's VMs", sorted(vm.name for vm in compute.virtual_machines.list(GROUP)), names)
    check("the subscription's", sorted(vm.name for vm in compute.virtual_machines.list_all()), names)
    check("the region's", sorted(vm.name for vm in compute.virtual_machines.list_by_location("westeurope")), names)
    check("another region's", list(compute.virtual_machines.list_by_location("eastus")), [])
    states = compute.virtual_machines.list_all(status_only="true")
    check("their states", [vm.properties.instance_view.statuses[1].code for vm in states], ["PowerState/running"] * 3)

    vm = compute.virtual_machines.begin_update(GROUP, "vm-1", {"tags": {"team": "web"}}).result(60)
    check("other tags", dict(vm.tags), {"team": "web"})
    expanded = compute.virtual_machines.get(GROUP, "vm-1", expand="instanceView")
    check("its view", expanded.properties.instance_view.hyper_v_generation, "V2")

    for begin, expected in [
        (compute.virtual_machines.begin_deallocate, "PowerState/deallocated"),
        (compute.virtual_machines.begin_start, "PowerState/running"),
        (compute.virtual_machines.begin_power_off, "PowerState/stopped"),
        (compute.virtual_machines.begin_start, "PowerState/running"),
        (compute.virtual_machines.begin_restart, "PowerState/running"),
    ]:
        begin(GROUP, "vm-1").result(60)
        check("its power", power("vm-1"), [expected])

    try:
        compute.virtual_machines.begin_create_or_update(GROUP, "vm-1", request("vm-1"), headers={"If-None-Match": "*"})
        sys.exit("a name was used twice")
    except (ResourceExistsError, HttpResponseError) as error:
        check("a name that is taken", error.status_code, 412)

    for poller in [compute.virtual_machines.begin_delete(GROUP, name, force_deletion=True) for name in names]:
        poller.result(60)
    check("what is left", list(compute.virtual_machines.list(GROUP)), [])
    check("NICs that are left", list(network.network_interfaces.list(GROUP)), [])
    try:
        compute.virtual_machines.get(GROUP, "vm-1")
        sys.exit("it is still there")
    except ResourceNotFoundError as error:
        check("what is gone", error.error.code, "ResourceNotFound")


def compute_disk(disk_id):
    from urllib.request import Request, urlopen
    import ssl

    context = ssl.create_default_context(cafile=os.environ["REQUESTS_CA_BUNDLE"])
    token = credential.get_token(URL + "/.default").token
    asked = Request(URL + disk_id + "?api-version=2024-03-02", headers={"authorization": "Bearer " + token})
    return urlopen(asked, context=context).status == 200


def failure():
    poller = compute.virtual_machines.begin_create_or_update(GROUP, "vm-1", request("vm-1"))
    try:
        poller.result(60)
        sys.exit("it was made")
    except HttpResponseError as error:
        check("why", error.error.code, "AllocationFailed")
    wrong = request("vm-2")
    wrong["properties"]["hardwareProfile"] = {"vmsize": "Standard_D4s_v5"}
    try:
        compute.virtual_machines.begin_create_or_update(GROUP, "vm-2", wrong)
        sys.exit("a wrong property was taken")
    except HttpResponseError as error:
        check("a wrong property", error.error.code, "BadRequest")


def daemon():
    vms = list(compute.virtual_machines.list(GROUP))
    check("the daemon's VMs", len(vms), 3)
    for vm in vms:
        check("its fleet", vm.tags["azlin-pool"], "ci")
        check("its state", vm.properties.provisioning_state, "Succeeded")
        check("its power", power(vm.name), ["PowerState/running"])
        nic = network.network_interfaces.get(GROUP, vm.name + "-nic")
        check("its NIC", nic.properties.virtual_machine.id.lower(), vm.id.lower())


{"life": life, "failure": failure, "daemon": daemon}[sys.argv[1]]()
