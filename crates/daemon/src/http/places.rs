//! Places for connections, measured in the bytes that each may hold. A new connection always gets a place: if there is no
//! room, the oldest connection of the peer that holds most gives way.
//!
//! So one peer is its own trouble. Behind a reverse proxy all connections have one address, and then the oldest of all gives
//! way: a delivery is complete within milliseconds, and one that dawdles is what must go. No limit for each address could do
//! that, because the proxy's would have to be the limit of all.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

/// Where a connection is from, as far as it counts: one host of IPv6 has a whole network of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin(IpAddr);

impl Origin {
    pub(super) fn of(address: IpAddr) -> Self {
        Origin(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from(u128::from(address) >> 64 << 64).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Room for connections.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Mutex<Room>>);

#[derive(Debug)]
struct Room {
    /// The bytes that all connections together may hold.
    most: usize,
    /// Those that have a place, by their number: the oldest first.
    taken: BTreeMap<u64, Occupant>,
    next: u64,
    evicted: u64,
}

#[derive(Debug)]
struct Occupant {
    from: Origin,
    bytes: usize,
    leave: CancellationToken,
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Places,
    number: u64,
}

impl Places {
    /// Room for connections that hold this many bytes together.
    pub(super) fn new(most: usize) -> Self {
        Places(Arc::new(Mutex::new(Room { most, taken: BTreeMap::new(), next: 0, evicted: 0 })))
    }

    /// A place for a connection that may hold this many bytes. `leave` is cancelled when it must give way.
    pub(super) fn enter(&self, from: Origin, bytes: usize, leave: &CancellationToken) -> Place {
        let mut room = self.0.lock();
        while room.held() + bytes > room.most {
            let Some(oldest) = room.oldest_of_the_heaviest() else { break };
            if let Some(occupant) = room.taken.remove(&oldest) {
                occupant.leave.cancel();
                room.evicted += 1;
            }
        }
        let number = room.next;
        room.next += 1;
        room.taken.insert(number, Occupant { from, bytes, leave: leave.clone() });
        Place { places: self.clone(), number }
    }

    /// How many connections have had to give way so far.
    pub(super) fn evicted(&self) -> u64 {
        self.0.lock().evicted
    }
}

impl Room {
    fn held(&self) -> usize {
        self.taken.values().map(|occupant| occupant.bytes).sum()
    }

    fn oldest_of_the_heaviest(&self) -> Option<u64> {
        let mut held = BTreeMap::<Origin, usize>::new();
        for occupant in self.taken.values() {
            *held.entry(occupant.from).or_default() += occupant.bytes;
        }
        let most = held.values().copied().max()?;
        let is_heaviest = |occupant: &Occupant| held.get(&occupant.from) == Some(&most);
        self.taken.iter().find(|(_, occupant)| is_heaviest(occupant)).map(|(number, _)| *number)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.0.lock().taken.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer enters with this many bytes.
    fn enter(places: &Places, from: &str, bytes: usize) -> (Place, CancellationToken) {
        let leave = CancellationToken::new();
        let from = Origin::of(from.parse().expect("an address"));
        (places.enter(from, bytes, &leave), leave)
    }

    /// Which of them must leave.
    fn leaving(all: &[(Place, CancellationToken)]) -> Vec<bool> {
        all.iter().map(|(_, leave)| leave.is_cancelled()).collect()
    }

    #[test]
    fn where_all_share_an_address_the_oldest_gives_way() {
        let places = Places::new(30);
        let mut all: Vec<_> = (0..3).map(|_| enter(&places, "127.0.0.1", 10)).collect();
        assert_eq!(leaving(&all), [false, false, false]);
        all.push(enter(&places, "127.0.0.1", 10));
        assert_eq!(leaving(&all), [true, false, false, false]);
        all.push(enter(&places, "127.0.0.1", 15));
        assert_eq!(leaving(&all), [true, true, true, false, false], "as many as its bytes need");
        assert_eq!(places.evicted(), 3);
    }

    #[test]
    fn a_peer_that_holds_most_makes_room_and_no_other() {
        let places = Places::new(40);
        let quiet = enter(&places, "192.0.2.1", 10);
        let mut all: Vec<_> = (0..3).map(|_| enter(&places, "198.51.100.7", 10)).collect();
        all.extend((0..20).map(|_| enter(&places, "198.51.100.7", 10)));
        assert!(!quiet.1.is_cancelled(), "though it is the oldest");
        let other = enter(&places, "203.0.113.5", 10);
        assert!(!quiet.1.is_cancelled() && !other.1.is_cancelled());
        assert_eq!(leaving(&all).iter().filter(|leaves| !**leaves).count(), 2);
    }

    #[test]
    fn who_leaves_by_itself_makes_room() {
        let places = Places::new(10);
        let first = enter(&places, "192.0.2.1", 10);
        drop(first);
        let (second, leave) = enter(&places, "192.0.2.1", 10);
        let too_large = enter(&places, "192.0.2.1", 100);
        assert!(leave.is_cancelled() && !too_large.1.is_cancelled(), "one alone is let in, however large");
        drop(second);
        assert_eq!(places.evicted(), 1, "a place is given up once");
    }

    #[test]
    fn the_addresses_of_one_host_are_one_origin() {
        let of = |address: &str| Origin::of(address.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
