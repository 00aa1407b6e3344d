//! Takes streams out of the answers that pass.
//!
//! The router answers every request in full. An answer with a stream that the lean lane can write is
//! put aside for the connection's driver, and hyper waits for it in vain: so it writes nothing, and
//! the driver can take the socket away from it.
//!
//! On its way in, each request is told the other end of its connection, as `axum::serve` can do.

use super::head;
use crate::coding::Coding;
use crate::stream::{EventStream, Taken, Takeover};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A stream that was taken out of its answer.
pub(super) struct Handover {
    /// The head of the answer, to be written first.
    pub(super) head: Vec<u8>,
    pub(super) coding: Coding,
    pub(super) stream: Box<EventStream>,
    pub(super) body: Body,
}

/// Where the service puts a stream and the driver looks for it. Both run in one task.
pub(super) type Aside = Arc<Mutex<Option<Handover>>>;

pub(super) struct Intercept {
    router: TowerToHyperService<Router>,
    peer: SocketAddr,
    /// `None`: there is no lean lane.
    aside: Option<Aside>,
    was_asked: Arc<AtomicBool>,
}

impl Intercept {
    pub(super) fn new(router: Router, peer: SocketAddr, aside: Option<Aside>) -> Self {
        Self { router: TowerToHyperService::new(router), peer, aside, was_asked: Arc::default() }
    }

    /// Becomes true with the first request.
    pub(super) fn was_asked(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.was_asked)
    }
}

impl Service<Request<Incoming>> for Intercept {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.was_asked.store(true, Ordering::Relaxed);
        let coding = match (request.method(), request.version()) {
            (&Method::GET, Version::HTTP_11) => Some(Coding::Chunked),
            (&Method::GET, Version::HTTP_10) => Some(Coding::Identity),
            _ => None,
        };
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answer = self.router.call(request);
        let aside = self.aside.clone();
        Box::pin(async move {
            let answer = answer.await?;
            let (Some(aside), Some(coding)) = (aside, coding) else { return Ok(answer) };
            match take(answer, coding) {
                Ok(handover) => {
                    *aside.lock() = Some(handover);
                    pending().await
                }
                Err(answer) => Ok(*answer),
            }
        })
    }
}

/// `Err`: the answer is left to hyper.
fn take(mut answer: Response<Body>, coding: Coding) -> Result<Handover, Box<Response<Body>>> {
    let Some(takeover) = answer.extensions_mut().remove::<Takeover>() else { return Err(answer.into()) };
    if answer.status() != StatusCode::OK || head::tells_of_another_body(answer.headers(), takeover.content_encoding()) {
        return Err(answer.into());
    }
    let (parts, body) = answer.into_parts();
    match takeover.take(body) {
        Taken::Stream(stream, body) => Ok(Handover { head: head::encode(&parts, coding), coding, stream, body }),
        Taken::LeftAlone(body) => Err(Response::from_parts(parts, body).into()),
    }
}
