//! Which content codings a client accepts.

use axum::http::{HeaderMap, header};

/// Whether a client wants gzip rather than plain bytes.
// [spec] RFC 9110, section 12.5.3: a coding without a weight has 1, and one with 0 is not acceptable.
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let mut gzip = None;
    let mut any = None;
    let mut identity = 0.0;
    for value in headers.get_all(header::ACCEPT_ENCODING) {
        for member in value.to_str().unwrap_or_default().split(',') {
            let (name, weight) = member.split_once(';').map_or((member, None), |(name, rest)| (name, Some(rest)));
            let weight = weight.map_or(Some(1.0), parse_weight).unwrap_or(0.0);
            match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => gzip = Some(weight),
                "identity" => identity = weight,
                "*" => any = Some(weight),
                _ => {}
            }
        }
    }
    let gzip = gzip.or(any).unwrap_or(0.0);
    gzip > 0.0 && gzip >= identity
}

/// What stands behind the semicolon. A weight that is none makes its coding unacceptable, as plain
/// bytes are always understood.
fn parse_weight(text: &str) -> Option<f32> {
    let (name, value) = text.split_once('=')?;
    let weight = value.trim().parse().ok()?;
    (name.trim().eq_ignore_ascii_case("q") && (0.0..=1.0).contains(&weight)).then_some(weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_to_those_who_prefer_it() {
        let check = |values: &[&str], expected: bool| {
            let headers = values.iter().map(|value| (header::ACCEPT_ENCODING, value.parse().unwrap())).collect();
            assert_eq!(accepts_gzip(&headers), expected, "{values:?}");
        };
        check(&[], false);
        check(&[""], false);
        check(&["gzip, deflate, br, zstd"], true);
        check(&["br, GZip"], true);
        check(&["br", "gzip"], true);
        check(&["x-gzip"], true);
        check(&["*"], true);
        check(&["*;q=0"], false);
        check(&["gzip;q=0, *"], false);
        check(&["gzip;q=0.000"], false);
        check(&["gzip ; q = 0.5"], true);
        check(&["identity, gzip;q=0.5"], false);
        check(&["identity;q=0.5, gzip;q=0.5"], true);
        check(&["gzip;q=1e9", "gzipped"], false);
        check(&["gzip;q=NaN"], false);
        check(&["br, deflate"], false);
    }
}
