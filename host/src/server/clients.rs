//! How many connections one client has.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use crate::metrics::Peer;

/// The part of an IPv6 address that one client can be held to: a /64 is the least that anybody gets.
const CLIENT_PREFIX: u128 = u128::MAX << 64;

/// Counts connections by client.
#[derive(Debug)]
pub(super) struct Clients {
    /// The most of one client; `None` is no bound, and nothing is counted then.
    limit: Option<u32>,
    /// As many entries as there are connections at the most.
    counts: Mutex<HashMap<IpAddr, u32>>,
}

/// A connection's place among those of its client.
#[derive(Debug)]
pub(super) struct Place(Option<(Arc<Clients>, IpAddr)>);

impl Clients {
    pub(super) fn new(limit: Option<u32>) -> Arc<Self> {
        Arc::new(Self { limit, counts: Mutex::default() })
    }

    /// A place for one more connection; `None` when the client has as many as it may.
    pub(super) fn enter(self: &Arc<Self>, peer: Peer) -> Option<Place> {
        let (Some(limit), Peer::Ip(address)) = (self.limit, peer) else {
            return Some(Place(None));
        };
        let client = client(address.ip());
        // A count is a count, whoever panicked.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(client).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Place(Some((Arc::clone(self), client))))
    }
}

fn client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & CLIENT_PREFIX).into(),
        address => address,
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((clients, client)) = self.0.take() else {
            return;
        };
        let mut counts = clients.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer::Ip(address.parse().unwrap())
    }

    #[test]
    fn places_are_counted_by_client() {
        let clients = Clients::new(Some(2));
        let first = clients.enter(peer("10.0.0.1:1")).unwrap();
        let _second = clients.enter(peer("[::ffff:10.0.0.1]:2")).unwrap();
        assert!(clients.enter(peer("10.0.0.1:3")).is_none());
        let other = clients.enter(peer("10.0.0.2:3")).unwrap();
        drop(first);
        let _third = clients.enter(peer("10.0.0.1:3")).unwrap();
        assert!(clients.enter(peer("10.0.0.1:4")).is_none() && clients.enter(Peer::Unix).is_some());
        drop(other);
        let network = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "[2001:db8:0:1::3]:1"];
        let places = network.map(|address| clients.enter(peer(address)));
        assert_eq!(places.each_ref().map(Option::is_some), [true, true, false, true]);
        assert_eq!(clients.counts.lock().unwrap().len(), 3);
        drop(places);
        assert_eq!(clients.counts.lock().unwrap().len(), 1);
        let unbound = Clients::new(None);
        assert!((0..9).all(|_| unbound.enter(peer("10.0.0.1:1")).is_some()));
    }
}
