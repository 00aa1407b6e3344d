//! The keys of programs.
//!
//! A key is known by its hash, which is also how it is looked up: how long that takes tells something about
//! the hash of what was sent, and from a hash nobody gets to a key.

use super::Identity;
use crate::config::{ApiKey, KeyHash, TopicPattern};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// What every key begins with. No token does.
const PREFIX: &str = "hwk_";

/// The identities of programs, by the hashes of their keys.
pub(super) struct ApiKeys(HashMap<KeyHash, Identity>);

impl ApiKeys {
    pub(super) fn new(keys: &[ApiKey], public_topics: &[TopicPattern]) -> Self {
        let identity = |ApiKey { name, hash, rights }: &ApiKey| {
            let mut rights = rights.clone();
            rights.read.extend_from_slice(public_topics);
            (*hash, Identity::new(rights).with_subject(name))
        };
        Self(keys.iter().map(identity).collect())
    }

    /// Whether a text can only be a key, whether or not it is one of ours.
    pub(super) fn is_key(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    pub(super) fn identify(&self, key: &str) -> Option<Identity> {
        self.0.get(&hash(key)).cloned()
    }
}

/// A key that nobody has had before, and its hash.
///
/// # Errors
/// The machine has no source of randomness.
#[cfg(any(feature = "cli", test))]
pub(crate) fn new_key() -> Result<(String, KeyHash), getrandom::Error> {
    let key = format!("{PREFIX}{}", crate::environment::unguessable()?);
    let hash = hash(&key);
    Ok((key, hash))
}

fn hash(key: &str) -> KeyHash {
    KeyHash(Sha256::digest(key).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topic;
    use crate::auth::Rights;

    #[test]
    fn a_key_is_known_by_its_hash() {
        let (key, hash) = new_key().unwrap();
        let patterns = |text| vec![TopicPattern::parse(text).unwrap()];
        let rights = Rights { read: patterns("a"), ..Rights::default() };
        let keys = ApiKeys::new(&[ApiKey { name: "worker".into(), hash, rights }], &patterns("news"));
        let identity = keys.identify(&key).unwrap();
        assert_eq!(identity.subject(), Some("worker"));
        let may_read = |topic| identity.may_read(&Topic::parse(topic).unwrap());
        assert!(may_read("a") && may_read("news") && !may_read("b"));
        assert!(ApiKeys::is_key(&key));
        for wrong in [&key[..key.len() - 1], &key.to_uppercase(), PREFIX, &hash.to_string(), &new_key().unwrap().0] {
            assert!(keys.identify(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn the_hash_is_what_sha256sum_prints() {
        // printf %s hwk_0 | sha256sum
        let expected = "sha256:ce1494df04ccb20fd9dd0c0abf31264f2757b6d69b9a90bce06d0784c9088f3c";
        assert_eq!(hash("hwk_0").to_string(), expected);
    }
}
