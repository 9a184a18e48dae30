// A network security group that keeps runners apart: from each other, from the rest of the virtual network, and from the
// internet. Name its id as nsg_id in the fleet's file, or attach it to the runners' subnet.
//
//   az deployment group create --resource-group ci-runners --template-file runners.bicep

@description('The name of the network security group.')
param name string = 'runners'

@description('The region of the runners.')
param location string = resourceGroup().location

@description('Where the daemon connects from, for fleets with [bootstrap] method = "ssh": an address or a range. Empty for cloud-init.')
param daemon string = ''

@description('What jobs may reach in private networks, such as a DNS server or a package mirror: addresses or ranges.')
param reachable array = []

@description('The private ranges that jobs may not reach. Not the tag VirtualNetwork: it has the ranges of route tables as well.')
param private array = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16']

var fromDaemon = empty(daemon) ? [] : [
  {
    name: 'ssh-from-daemon'
    properties: {
      priority: 100
      direction: 'Inbound'
      access: 'Allow'
      protocol: 'Tcp'
      sourceAddressPrefix: daemon
      sourcePortRange: '*'
      destinationAddressPrefix: '*'
      destinationPortRange: '22'
    }
  }
]

var toReachable = empty(reachable) ? [] : [
  {
    name: 'to-reachable'
    properties: {
      priority: 100
      direction: 'Outbound'
      access: 'Allow'
      protocol: '*'
      sourceAddressPrefix: '*'
      sourcePortRange: '*'
      destinationAddressPrefixes: reachable
      destinationPortRange: '*'
    }
  }
]

resource group 'Microsoft.Network/networkSecurityGroups@2024-05-01' = {
  name: name
  location: location
  properties: {
    securityRules: concat(fromDaemon, toReachable, [
      {
        name: 'nothing-comes-in'
        properties: {
          priority: 4000
          direction: 'Inbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefix: '*'
          destinationPortRange: '*'
        }
      }
      {
        name: 'nothing-to-private-networks'
        properties: {
          priority: 4000
          direction: 'Outbound'
          access: 'Deny'
          protocol: '*'
          sourceAddressPrefix: '*'
          sourcePortRange: '*'
          destinationAddressPrefixes: private
          destinationPortRange: '*'
        }
      }
    ])
  }
}

output id string = group.id
