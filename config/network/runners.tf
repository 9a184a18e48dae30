# A network security group that keeps runners apart: from each other, from the rest of the virtual network, and from the
# internet. Name its id as nsg_id in the fleet's file, or attach it to the runners' subnet.

variable "name" {
  description = "The name of the network security group."
  type        = string
  default     = "runners"
}

variable "location" {
  description = "The region of the runners."
  type        = string
}

variable "resource_group_name" {
  description = "The resource group that holds the network security group."
  type        = string
}

variable "daemon" {
  description = "Where the daemon connects from, for fleets with [bootstrap] method = \"ssh\": an address or a range. Null for cloud-init."
  type        = string
  default     = null
}

variable "reachable" {
  description = "What jobs may reach in private networks, such as a DNS server or a package mirror: addresses or ranges."
  type        = list(string)
  default     = []
}

variable "private" {
  description = "The private ranges that jobs may not reach. Not the tag VirtualNetwork: it has the ranges of route tables as well."
  type        = list(string)
  default     = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]
}

resource "azurerm_network_security_group" "runners" {
  name                = var.name
  location            = var.location
  resource_group_name = var.resource_group_name

  dynamic "security_rule" {
    for_each = var.daemon == null ? [] : [var.daemon]
    content {
      name                       = "ssh-from-daemon"
      priority                   = 100
      direction                  = "Inbound"
      access                     = "Allow"
      protocol                   = "Tcp"
      source_address_prefix      = security_rule.value
      source_port_range          = "*"
      destination_address_prefix = "*"
      destination_port_range     = "22"
    }
  }

  dynamic "security_rule" {
    for_each = length(var.reachable) == 0 ? [] : [var.reachable]
    content {
      name                         = "to-reachable"
      priority                     = 100
      direction                    = "Outbound"
      access                       = "Allow"
      protocol                     = "*"
      source_address_prefix        = "*"
      source_port_range            = "*"
      destination_address_prefixes = security_rule.value
      destination_port_range       = "*"
    }
  }

  security_rule {
    name                       = "nothing-comes-in"
    priority                   = 4000
    direction                  = "Inbound"
    access                     = "Deny"
    protocol                   = "*"
    source_address_prefix      = "*"
    source_port_range          = "*"
    destination_address_prefix = "*"
    destination_port_range     = "*"
  }

  security_rule {
    name                         = "nothing-to-private-networks"
    priority                     = 4000
    direction                    = "Outbound"
    access                       = "Deny"
    protocol                     = "*"
    source_address_prefix        = "*"
    source_port_range            = "*"
    destination_address_prefixes = var.private
    destination_port_range       = "*"
  }
}

output "id" {
  description = "What nsg_id names."
  value       = azurerm_network_security_group.runners.id
}
