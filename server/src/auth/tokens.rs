//! JSON Web Tokens: who brings one, and what its claims allow.
//!
//! A token is measured before it is read, and its signature is checked before any of its claims is believed.

use super::keys::{self, Key, KeysError};
use super::{Identity, Rights};
use crate::config::{AuthConfig, Secret, TopicPattern};
use crate::problem::Problem;
use jsonwebtoken::crypto::rust_crypto;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use parking_lot::RwLock;
use serde::Deserialize;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

/// The longest token that is looked at. Browsers keep no larger cookie, and proxies pass on no longer header.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How often it is looked whether the file of keys has changed.
const REREAD_INTERVAL: Duration = Duration::from_secs(2);

/// Why a token is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) problem: Problem,
    /// Whoever sent it may be trying what fits. Of a real token that is old, or for somebody else, that cannot be
    /// said.
    pub(super) is_guess: bool,
}

/// What tokens are checked with.
pub(super) struct Tokens {
    keys: RwLock<Arc<[Key]>>,
    /// That of the settings, which does not change.
    secret_key: Option<Secret>,
    /// All but the algorithm, which is that of the key.
    validation: Validation,
    leeway: Duration,
    public_topics: Vec<TopicPattern>,
}

/// What is read of a token. Everything else in it is somebody else's.
#[derive(Deserialize)]
struct Claims {
    sub: Option<String>,
    /// Seconds since 1970. That it is there is checked with the rest.
    #[serde(default)]
    exp: f64,
    /// A claim of our own, so that no `admin` of another application means anything here.
    #[serde(default)]
    heartwire: Granted,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Granted {
    read: Vec<String>,
    publish: Vec<String>,
    admin: bool,
}

impl Tokens {
    /// Reads the keys, and goes on reading their file when it changes.
    ///
    /// # Panics
    /// Outside a tokio runtime, where there is a file.
    pub(super) fn new(config: &AuthConfig) -> Result<Arc<Self>, KeysError> {
        // Fails where the process has another one already, which is as good.
        let _ = rust_crypto::DEFAULT_PROVIDER.install_default();
        let text = config.jwks_file.as_deref().map(keys::read).transpose()?;
        let mut validation = Validation::new(Algorithm::HS256);
        let mut required = vec!["exp"];
        validation.leeway = config.jwt_leeway.as_secs_f64().ceil() as u64;
        validation.validate_nbf = true;
        if let Some(issuer) = &config.jwt_issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        if let Some(audience) = &config.jwt_audience {
            validation.set_audience(&[audience]);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        let tokens = Arc::new(Self {
            keys: RwLock::new(Arc::default()),
            secret_key: config.jwt_secret_key.clone(),
            validation,
            leeway: config.jwt_leeway,
            public_topics: config.public_topics.clone(),
        });
        tokens.set_keys(text.as_deref())?;
        if let (Some(path), Some(text)) = (&config.jwks_file, text) {
            tokio::spawn(follow(Arc::downgrade(&tokens), path.clone(), text));
        }
        Ok(tokens)
    }

    /// Takes the keys of a set, beside the secret of the settings.
    fn set_keys(&self, key_set: Option<&str>) -> Result<usize, KeysError> {
        let mut keys = key_set.map(keys::parse).transpose()?.unwrap_or_default();
        keys.extend(self.secret_key.as_ref().map(Key::of_secret));
        let n_keys = keys.len();
        *self.keys.write() = keys.into();
        Ok(n_keys)
    }

    /// Says who brings a token.
    pub(super) fn identify(&self, token: &str) -> Result<Identity, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(guess("is longer than the 8,192 bytes that it may have"));
        }
        let header = jsonwebtoken::decode_header(token)
            .map_err(|_| guess("is no JWT, or not signed by HS256, RS256, ES256 or EdDSA"))?;
        // [spec] RFC 7515, section 4.1.11: what is critical and not understood makes the token invalid.
        if header.crit.is_some() {
            return Err(guess("has a critical header that is not known here"));
        }
        let id = header.kid.as_deref();
        let keys = Arc::clone(&self.keys.read());
        let mut wrong_signature = false;
        for key in keys.iter().filter(|key| key.is_for(header.alg, id)) {
            let validation = Validation { algorithms: vec![key.algorithm], ..self.validation.clone() };
            match jsonwebtoken::decode(token, &key.decoding, &validation) {
                Ok(decoded) => return self.granted(decoded.claims),
                // Of several keys that may fit, the one that does says why.
                Err(err) if matches!(err.kind(), ErrorKind::InvalidSignature) => wrong_signature = true,
                Err(err) => return Err(refusal(err.kind())),
            }
        }
        Err(if wrong_signature {
            guess("has a signature that is wrong")
        } else {
            // A key that came with a rotation may not be known yet: that is no guess.
            real("names a key that this server does not have, or an algorithm that no key of it is for")
        })
    }

    /// What the claims of a real token say.
    fn granted(&self, Claims { sub, exp, heartwire }: Claims) -> Result<Identity, Refused> {
        let patterns = |texts: Vec<String>| -> Result<Vec<TopicPattern>, Refused> {
            let parse = |text: &String| TopicPattern::parse(text);
            let parsed: Result<_, _> = texts.iter().map(parse).collect();
            parsed.map_err(|_| real("has no good pattern of topics in its claim `heartwire`"))
        };
        let mut rights =
            Rights { read: patterns(heartwire.read)?, publish: patterns(heartwire.publish)?, admin: heartwire.admin };
        rights.read.extend_from_slice(&self.public_topics);
        let mut identity = Identity::new(rights);
        if let Some(subject) = sub {
            identity = identity.with_subject(subject);
        }
        // One that no clock can tell is never reached.
        let span = Duration::try_from_secs_f64(exp).ok().and_then(|span| span.checked_add(self.leeway));
        Ok(match span.and_then(|span| SystemTime::UNIX_EPOCH.checked_add(span)) {
            Some(at) => identity.with_expiry(at),
            None => identity,
        })
    }
}

/// A token that nobody who may make tokens has made, as far as can be seen.
fn guess(why: &'static str) -> Refused {
    Refused { problem: Problem::BadToken { why }, is_guess: true }
}

/// A token that may well be real, but does not do here.
fn real(why: &'static str) -> Refused {
    Refused { problem: Problem::BadToken { why }, is_guess: false }
}

fn refusal(err: &ErrorKind) -> Refused {
    // What is about claims comes behind the signature, which was right then.
    match err {
        ErrorKind::ExpiredSignature => Refused { problem: Problem::TokenExpired, is_guess: false },
        ErrorKind::ImmatureSignature => real("is not good yet"),
        ErrorKind::InvalidIssuer => real("is from another issuer"),
        ErrorKind::InvalidAudience => real("is for another audience"),
        ErrorKind::MissingRequiredClaim(name) if name == "exp" => real("does not say when it expires"),
        ErrorKind::MissingRequiredClaim(name) if name == "iss" => real("does not say who issued it"),
        ErrorKind::MissingRequiredClaim(_) => real("does not say for which audience it is"),
        ErrorKind::Json(_) | ErrorKind::InvalidClaimFormat(_) => real("has claims that make no sense here"),
        _ => guess("is no JWT"),
    }
}

/// Reads the keys again when their file changes, for as long as there is somebody to use them. A file that cannot
/// be used changes nothing: the keys stay as they were.
async fn follow(tokens: Weak<Tokens>, path: PathBuf, mut known: String) {
    let mut told = None;
    loop {
        tokio::time::sleep(REREAD_INTERVAL).await;
        let reading = path.clone();
        // A file may lie on a disk that takes its time.
        let read = tokio::task::spawn_blocking(move || keys::read(&reading)).await;
        let Some(tokens) = tokens.upgrade() else { return };
        let Ok(read) = read else { continue };
        let changed = match read {
            Ok(text) if text == known => Ok(None),
            Ok(text) => tokens.set_keys(Some(&text)).map(|n_keys| Some((text, n_keys))),
            Err(err) => Err(err),
        };
        match changed {
            Ok(None) => told = None,
            Ok(Some((text, n_keys))) => {
                tracing::info!(n_keys, "the keys of tokens have changed");
                (known, told) = (text, None);
            }
            Err(err) => {
                if told.as_ref() != Some(&err) {
                    tracing::error!(file = %path.display(), %err, "the keys of tokens stay as they were: the file cannot be used");
                    told = Some(err);
                }
            }
        }
    }
}

/// Makes a token that is signed by the secret of the settings; `None` without one.
#[cfg(feature = "cli")]
pub(crate) fn mint(config: &AuthConfig, subject: Option<&str>, rights: &Rights, expires_at_s: u64) -> Option<String> {
    use jsonwebtoken::{EncodingKey, Header, encode};
    let secret = config.jwt_secret_key.as_ref()?;
    let texts = |patterns: &[TopicPattern]| -> Vec<String> { patterns.iter().map(ToString::to_string).collect() };
    let mut claims = serde_json::json!({
        "exp": expires_at_s,
        "heartwire": { "read": texts(&rights.read), "publish": texts(&rights.publish), "admin": rights.admin },
    });
    let named = [("sub", subject), ("iss", config.jwt_issuer.as_deref()), ("aud", config.jwt_audience.as_deref())];
    for (name, value) in named {
        if let Some(value) = value {
            claims[name] = value.into();
        }
    }
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.reveal().as_bytes())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topic;
    use jsonwebtoken::{EncodingKey, Header, encode};

    #[tokio::test]
    async fn the_claims_of_the_protocol_document_mean_what_it_says() {
        let document = include_str!("../../../docs/protocol.md");
        let claims = document.split("```json claims\n").nth(1).unwrap().split("```").next().unwrap();
        let mut claims: serde_json::Value = serde_json::from_str(claims).unwrap();
        claims["exp"] = 4_102_444_800_u64.into();
        let secret = "a secret of at least 32 characters";
        let config = AuthConfig { jwt_secret_key: Some(Secret::new(secret)), ..AuthConfig::default() };
        let key = EncodingKey::from_secret(secret.as_bytes());
        let token = encode(&Header::new(Algorithm::HS256), &claims, &key).unwrap();
        let identity = Tokens::new(&config).unwrap().identify(&token).unwrap();
        let check = |topic: &str, may_read: bool, may_publish: bool| {
            let topic = Topic::parse(topic).unwrap();
            assert_eq!((identity.may_read(&topic), identity.may_publish(&topic)), (may_read, may_publish), "{topic}");
        };
        check("orders/7", true, true);
        check("orders/8", true, false);
        check("news", true, false);
        check("news/1", false, false);
        assert_eq!((identity.subject(), identity.is_admin()), (Some("user-7"), false));
        let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800) + config.jwt_leeway;
        assert_eq!(identity.expires_at(), Some(expires_at));
    }
}
