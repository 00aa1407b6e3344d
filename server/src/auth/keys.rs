//! The keys that tokens are checked with: a secret of the settings, and the file of a JSON Web Key Set.
//!
//! Each key is for one algorithm and no other, whatever a token says. So a public key can never pass for a
//! secret, and `none` is no algorithm at all.

use crate::config::Secret;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 256 * 1024;
/// So many keys can be in use: a token that names none is tried with each.
const MAX_KEYS: usize = 32;
const MIN_SECRET_BYTES: usize = 32;
const MIN_RSA_BITS: usize = 2_048;

/// A key, and what it is good for.
pub(super) struct Key {
    /// What tokens call it.
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) decoding: DecodingKey,
}

/// Why a file of keys cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysError {
    /// It cannot be read, or is larger than 256 KiB.
    Unreadable(String),
    /// It is not a JSON Web Key Set; where in the file that shows.
    NotAKeySet(String),
    /// It has no key for any of the algorithms.
    NoKey,
    /// It has more than 32 keys.
    TooManyKeys,
    /// A key is weaker than its algorithm demands, or not a key at all.
    BadKey {
        /// What it is called; its place in the list, from 1, when it has no name.
        key: String,
    },
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "cannot be read: {why}"),
            Self::NotAKeySet(place) => write!(f, "is not a JSON Web Key Set: see {place}"),
            Self::NoKey => f.write_str("has no key for HS256, RS256, ES256 or EdDSA"),
            Self::TooManyKeys => write!(f, "has more than {MAX_KEYS} keys"),
            Self::BadKey { key } => write!(
                f,
                "has a key that cannot be used, {key:?}: an RSA key needs {MIN_RSA_BITS} bits, a secret {MIN_SECRET_BYTES} bytes"
            ),
        }
    }
}

impl std::error::Error for KeysError {}

impl Key {
    /// The key of a secret, for tokens that name none.
    pub(super) fn of_secret(secret: &Secret) -> Self {
        let decoding = DecodingKey::from_secret(secret.reveal().as_bytes());
        Self { id: None, algorithm: Algorithm::HS256, decoding }
    }

    /// Whether a token of this algorithm may be checked with it. A token that names a key is checked with that
    /// one alone; one that names none, with each.
    pub(super) fn is_for(&self, algorithm: Algorithm, id: Option<&str>) -> bool {
        self.algorithm == algorithm && (id.is_none() || self.id.as_deref() == id)
    }
}

/// Refuses a file that cannot be used.
#[cfg(feature = "cli")]
pub(crate) fn check(path: &Path) -> Result<(), KeysError> {
    parse(&read(path)?).map(drop)
}

/// Reads a file, which may be anything.
pub(super) fn read(path: &Path) -> Result<String, KeysError> {
    let unreadable = |err: std::io::Error| KeysError::Unreadable(err.to_string());
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(KeysError::Unreadable(format!("it has more than {MAX_FILE_BYTES} bytes")));
    }
    Ok(text)
}

/// The keys of a JSON Web Key Set (RFC 7517). Those that are for something else are passed over: such a set often
/// has some.
pub(super) fn parse(text: &str) -> Result<Vec<Key>, KeysError> {
    // serde's own words may repeat what is in the file, which may be a secret.
    let place = |err: serde_json::Error| format!("line {}, column {}", err.line(), err.column());
    let JwkSet { keys } = serde_json::from_str(text).map_err(|err| KeysError::NotAKeySet(place(err)))?;
    let mut ours = Vec::new();
    for (jwk, number) in keys.iter().zip(1..) {
        let Some(algorithm) = algorithm(jwk) else { continue };
        let id = jwk.common.key_id.clone();
        let bad_key = || KeysError::BadKey { key: id.clone().unwrap_or_else(|| format!("number {number}")) };
        let decoding = DecodingKey::from_jwk(jwk).ok().filter(|key| is_strong(key, algorithm)).ok_or_else(bad_key)?;
        ours.push(Key { id, algorithm, decoding });
    }
    match ours.len() {
        0 => Err(KeysError::NoKey),
        1..=MAX_KEYS => Ok(ours),
        _ => Err(KeysError::TooManyKeys),
    }
}

/// The one algorithm that a key is for; `None` when that is none of ours, or no signing at all.
fn algorithm(jwk: &Jwk) -> Option<Algorithm> {
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Algorithm::ES256,
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::OctetKey(_) => Algorithm::HS256,
        _ => return None,
    };
    let common = &jwk.common;
    let is_named = common.key_algorithm.is_none_or(|named| Algorithm::try_from(named).ok() == Some(algorithm));
    let is_for_signing = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    let verifies = common.key_operations.as_ref().is_none_or(|may| may.contains(&KeyOperations::Verify));
    (is_named && is_for_signing && verifies).then_some(algorithm)
}

fn is_strong(key: &DecodingKey, algorithm: Algorithm) -> bool {
    let is_long_enough = match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, .. } => {
            let significant = n.iter().skip_while(|byte| **byte == 0).count();
            significant * 8 >= MIN_RSA_BITS
        }
        DecodingKeyKind::SecretOrDer(bytes) => bytes.len() >= MIN_SECRET_BYTES,
    };
    // An empty signature is never right, but only of a key that is one can that be told.
    is_long_enough && jsonwebtoken::crypto::verify("", b"", key, algorithm).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    fn of(key: &str, more: &str) -> String {
        key.replace("{\"kty\"", &format!("{{{more}\"kty\""))
    }

    fn oct(n_bytes: usize) -> String {
        format!(r#"{{"kty":"oct","k":"{}"}}"#, "A".repeat((n_bytes * 4).div_ceil(3)))
    }

    fn rsa(n_bits: usize) -> String {
        format!(r#"{{"kty":"RSA","e":"AQAB","n":"_{}"}}"#, "A".repeat(n_bits / 6))
    }

    fn algorithms(keys: &[String]) -> Result<Vec<Algorithm>, KeysError> {
        let keys = parse(&format!(r#"{{"keys":[{}]}}"#, keys.join(",")))?;
        Ok(keys.iter().map(|key| key.algorithm).collect())
    }

    #[test]
    fn each_key_is_for_one_algorithm() {
        let keys = [rsa(2_048), P256.into(), ED25519.into(), oct(32)];
        assert_eq!(
            algorithms(&keys).unwrap(),
            [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256]
        );
    }

    #[test]
    fn keys_for_something_else_are_passed_over() {
        for other in [
            of(&rsa(2_048), r#""alg":"RSA-OAEP","#),
            of(&rsa(2_048), r#""alg":"RS512","#),
            of(&rsa(2_048), r#""alg":"HS256","#),
            of(&rsa(2_048), r#""use":"enc","#),
            of(&rsa(2_048), r#""key_ops":["encrypt"],"#),
            of(&oct(32), r#""alg":"RS256","#),
            r#"{"kty":"EC","crv":"P-384","x":"AAAA","y":"AAAA"}"#.into(),
            r#"{"kty":"quantum","q":"?"}"#.into(),
        ] {
            assert_eq!(algorithms(std::slice::from_ref(&other)), Err(KeysError::NoKey), "{other}");
            assert_eq!(algorithms(&[other, ED25519.into()]).unwrap(), [Algorithm::EdDSA]);
        }
        let named = of(P256, r#""alg":"ES256","use":"sig","key_ops":["verify"],"kid":"k","#);
        assert_eq!(algorithms(&[named]).unwrap(), [Algorithm::ES256]);
    }

    #[test]
    fn weak_keys_are_refused_by_name() {
        let bad = |key: &str| Err(KeysError::BadKey { key: key.into() });
        assert_eq!(algorithms(&[of(&oct(31), r#""kid":"short","#)]), bad("short"));
        assert_eq!(algorithms(&[ED25519.into(), rsa(1_024)]), bad("number 2"));
        assert_eq!(algorithms(&[of(ED25519, "").replace("11qY", "")]), bad("number 1"));
        let not_on_the_curve = P256.replace("x_FE", "y_FE");
        assert_eq!(algorithms(&[not_on_the_curve]), bad("number 1"));
        assert_eq!(algorithms(&[r#"{"kty":"RSA","e":"AQAB","n":"*"}"#.into()]), bad("number 1"));
        assert_eq!(algorithms(&vec![ED25519.to_owned(); MAX_KEYS + 1]), Err(KeysError::TooManyKeys));
    }

    #[test]
    fn what_is_no_key_set_is_refused() {
        for text in ["", "[]", "{}", r#"{"keys":{}}"#, "keys"] {
            assert!(matches!(parse(text), Err(KeysError::NotAKeySet(_))), "{text}");
        }
        assert!(matches!(read(Path::new("/nowhere/keys.json")), Err(KeysError::Unreadable(_))));
        assert!(matches!(read(Path::new("/dev/zero")), Err(KeysError::Unreadable(_))), "it has no end");
    }

    #[test]
    fn a_token_that_names_a_key_is_checked_with_that_one_alone() {
        let keys = parse(&format!(r#"{{"keys":[{},{}]}}"#, of(ED25519, r#""kid":"new","#), ED25519)).unwrap();
        let check = |algorithm, id, expected: [bool; 2]| {
            assert_eq!([keys[0].is_for(algorithm, id), keys[1].is_for(algorithm, id)], expected, "{id:?}");
        };
        check(Algorithm::EdDSA, Some("new"), [true, false]);
        check(Algorithm::EdDSA, Some("old"), [false, false]);
        check(Algorithm::EdDSA, None, [true, true]);
        check(Algorithm::HS256, None, [false, false]);
    }
}
