//! The head of an answer that hyper does not get to write.

use crate::coding::Coding;
use axum::http::response::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use std::time::SystemTime;

/// The status line and the headers, for a body that ends with the connection.
pub(super) fn encode(parts: &Parts, coding: Coding) -> Vec<u8> {
    let version = match coding {
        Coding::Chunked => "HTTP/1.1",
        Coding::Identity => "HTTP/1.0",
    };
    let mut out = format!("{version} {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        // About the connection and the frame of the body: the lane's own business.
        if name != header::CONNECTION && name != header::TRANSFER_ENCODING {
            field(name.as_str(), value.as_bytes(), &mut out);
        }
    }
    if !parts.headers.contains_key(header::DATE) {
        field("date", httpdate::fmt_http_date(SystemTime::now()).as_bytes(), &mut out);
    }
    field("connection", b"close", &mut out);
    if coding == Coding::Chunked {
        field("transfer-encoding", b"chunked", &mut out);
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// Whether the headers say that the body is no longer the one that the handler made, which had this
/// content coding.
pub(super) fn tells_of_another_body(headers: &HeaderMap, coding: Option<&HeaderValue>) -> bool {
    headers.get(header::CONTENT_ENCODING) != coding || headers.contains_key(header::CONTENT_LENGTH)
}

fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Response;

    #[test]
    fn a_head_has_what_middleware_set_and_what_the_lane_knows() {
        let response = Response::builder()
            .header("content-type", "text/event-stream")
            .header("vary", "origin")
            .header("vary", "accept")
            .header("connection", "keep-alive")
            .header("date", "Thu, 01 Jan 1970 00:00:00 GMT")
            .body(())
            .unwrap();
        let (parts, ()) = response.into_parts();
        let common = "content-type: text/event-stream\r\nvary: origin\r\nvary: accept\r\n\
             date: Thu, 01 Jan 1970 00:00:00 GMT\r\nconnection: close\r\n";
        let check = |coding, expected: String| {
            assert_eq!(String::from_utf8(encode(&parts, coding)).unwrap(), expected);
        };
        check(Coding::Chunked, format!("HTTP/1.1 200 OK\r\n{common}transfer-encoding: chunked\r\n\r\n"));
        check(Coding::Identity, format!("HTTP/1.0 200 OK\r\n{common}\r\n"));
    }
}
