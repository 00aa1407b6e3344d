//! The gradual roll-out: which clients get streams while not all of them do.
//!
//! The answer hangs on the client and the percentage alone: it is the same on every server and after every
//! restart, and raising the percentage takes no client out.

use crate::stream_permits::Holder;
use siphasher::sip::SipHasher13;
use std::hash::Hasher;

/// Whether this part of all clients has the client in it. A client about whom nothing is known is in it
/// only when all are.
pub(crate) fn includes(percent: usize, client_id: Option<&str>, holder: &Holder) -> bool {
    if percent >= 100 {
        return true;
    }
    let key = client_id.or(holder.subject.as_deref()).map(str::to_owned);
    let key = key.or_else(|| holder.address.map(|address| address.network().to_string()));
    key.is_some_and(|key| place(&key) < percent)
}

/// A client's place from 0 to 99, for good.
fn place(key: &str) -> usize {
    // Not the standard library's hasher: it may be another one in the next release.
    let mut hasher = SipHasher13::new();
    hasher.write(key.as_bytes());
    ((u128::from(hasher.finish()) * 100) >> u64::BITS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client_address::ClientAddress;

    fn by_id(percent: usize, client_id: &str) -> bool {
        includes(percent, Some(client_id), &Holder::default())
    }

    #[test]
    fn every_percentage_is_that_part_of_the_clients_and_raising_it_takes_nobody_out() {
        let clients: Vec<String> = (0..10_000).map(|n| format!("client-{n}")).collect();
        let mut before = vec![false; clients.len()];
        for percent in 0..=100 {
            let now: Vec<bool> = clients.iter().map(|client| by_id(percent, client)).collect();
            assert!(before.iter().zip(&now).all(|(before, now)| now >= before), "{percent}");
            let n_in = now.iter().filter(|is_in| **is_in).count();
            assert!(n_in.abs_diff(percent * 100) <= 200, "{n_in} of 10,000 for {percent} %");
            before = now;
        }
        assert!(before.iter().all(|is_in| *is_in));
        assert!(!clients.iter().any(|client| by_id(0, client)));
    }

    #[test]
    fn a_client_keeps_its_place_over_restarts_and_releases() {
        assert_eq!(["", "ada", "192.0.2.1"].map(place), [82, 39, 3]);
    }

    #[test]
    fn a_client_is_known_by_its_id_before_its_identity_before_its_address() {
        let subject = (0..).map(|n| n.to_string()).find(|subject| !by_id(50, subject)).unwrap();
        let id = (0..).map(|n| n.to_string()).find(|id| by_id(50, id)).unwrap();
        let address =
            (1..).map(|n| [192, 0, 2, n]).find(|address| by_id(50, &std::net::Ipv4Addr::from(*address).to_string()));
        let address = Some(ClientAddress(address.unwrap().into()));
        let check = |client_id: Option<&str>, subject: Option<&str>, address, expected| {
            let holder = Holder { address, subject: subject.map(Into::into) };
            assert_eq!(includes(50, client_id, &holder), expected);
        };
        check(Some(&id), Some(&subject), None, true);
        check(None, Some(&subject), address, false);
        check(None, None, address, true);
        check(None, None, None, false);
        assert!(includes(100, None, &Holder::default()));
    }
}
