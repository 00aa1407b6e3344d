//! A stream in each form that it has, over each way that it comes.

use super::*;

/// A stream that is being read, whatever it comes over.
pub(crate) struct Link {
    pub(crate) source: Source,
    pub(crate) gunzip: Option<Decompress>,
    pub(crate) decoder: Decoder,
    /// It was opened to go on somewhere.
    pub(crate) resumes: bool,
}

pub(crate) enum Source {
    Http1 {
        socket: TcpStream,
        raw: Vec<u8>,
    },
    Http2 {
        body: Incoming,
        /// Keeps the connection open.
        _client: SendRequest<Body>,
    },
}

/// What a stream looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Frames,
    Gzip,
}

impl Source {
    /// The next bytes. `None`: the end, as it should be.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Http2 { body, .. } => match body.frame().await {
                None => Ok(None),
                Some(Ok(frame)) => Ok(Some(frame.into_data().unwrap().into())),
                Some(Err(err)) => Err(io::Error::other(err)),
            },
            Self::Http1 { socket, raw } => loop {
                if let Some(line_end) = raw.windows(2).position(|bytes| bytes == b"\r\n") {
                    let n_bytes = std::str::from_utf8(&raw[..line_end]).expect("a chunk begins with its length");
                    let n_bytes = usize::from_str_radix(n_bytes, 16).expect("a chunk begins with its length");
                    let end = line_end + 2 + n_bytes;
                    if raw.len() >= end + 2 {
                        assert_eq!(&raw[end..end + 2], b"\r\n");
                        let content = raw[line_end + 2..end].to_vec();
                        raw.drain(..end + 2);
                        return Ok((n_bytes > 0).then_some(content));
                    }
                }
                if socket.read_buf(raw).await? == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
            },
        }
    }
}

impl Link {
    /// Opens a stream. `None`: the server has none to give.
    pub(crate) async fn open(world: &World, query: &str, form: Form, dice: &mut Dice) -> io::Result<Option<Self>> {
        let socket = TcpSocket::new_v4()?;
        if dice.one_in(4) && !world.is_over() {
            // One that is full soon when nobody reads.
            socket.set_recv_buffer_size(16 * 1024)?;
        }
        let mut socket = socket.connect(world.server.address).await?;
        let frames = if form == Form::Frames { "&frames=gzip" } else { "" };
        let query = format!("{query}{frames}");
        if dice.one_in(3) {
            return Self::open_http2(socket, &query, form).await;
        }
        let accepting = if form == Form::Gzip { "\r\nAccept-Encoding: gzip\r\n\r\n" } else { "\r\n\r\n" };
        let request = request(&query, "").replace("\r\n\r\n", accepting);
        socket.write_all(request.as_bytes()).await?;
        if dice.one_in(6) {
            // It leaves at once, with or without a word.
            if dice.one_in(2) {
                socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
            }
            return Ok(None);
        }
        let mut raw = Vec::new();
        let head_end = loop {
            if let Some(at) = raw.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            if socket.read_buf(&mut raw).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        };
        let body = raw.split_off(head_end);
        if !raw.starts_with(b"HTTP/1.1 200 ") {
            assert!(raw.starts_with(b"HTTP/1.1 503 "), "{}", String::from_utf8_lossy(&raw));
            return Ok(None);
        }
        let gunzip = (form == Form::Gzip).then(gunzip);
        let resumes = query.contains("last_event_id");
        Ok(Some(Self { source: Source::Http1 { socket, raw: body }, gunzip, decoder: Decoder::default(), resumes }))
    }

    pub(crate) async fn open_http2(socket: TcpStream, query: &str, form: Form) -> io::Result<Option<Self>> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(16 * 1024).initial_connection_window_size(64 * 1024);
        let (mut client, connection) = builder.handshake(TokioIo::new(socket)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        let mut request = Request::get(format!("http://localhost/events?{query}"));
        if form == Form::Gzip {
            request = request.header(header::ACCEPT_ENCODING, "gzip");
        }
        let sent = client.send_request(request.body(Body::empty()).unwrap());
        let response = sent.await.map_err(io::Error::other)?;
        if response.status() != StatusCode::OK {
            assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
            return Ok(None);
        }
        let gunzip = response.headers().contains_key(header::CONTENT_ENCODING).then(gunzip);
        assert_eq!(gunzip.is_some(), form == Form::Gzip);
        Ok(Some(Self {
            source: Source::Http2 { body: response.into_body(), _client: client },
            gunzip,
            decoder: Decoder::default(),
            resumes: query.contains("last_event_id"),
        }))
    }

    /// The next event, as something seen. `None`: the stream has ended, one way or another.
    pub(crate) async fn next(&mut self) -> Option<Seen> {
        loop {
            if let Some(event) = self.decoder.next_event().unwrap() {
                let id = &event.last_event_id;
                match event.event_type.as_str() {
                    // A gap follows, which says where it begins.
                    "connected" if self.resumes && event.data.contains("\"resumed\":false") => {}
                    "connected" | "heartbeat" | "closing" => return Some(Seen::Place(sequence(id))),
                    "gap" => {
                        let Gap { from, to, .. } = serde_json::from_str(&event.data).unwrap();
                        let (place, to) = (sequence(id), sequence(&to));
                        // What is no cursor of this log leaves nothing to compare.
                        let from = from.filter(|from| from.starts_with("abc-")).map_or(place, |from| sequence(&from));
                        return Some(Seen::Gap(from.min(to), to, place));
                    }
                    "message" => return Some(Seen::Event(sequence(id), Text::read(&event.data))),
                    "message+gzip" => {
                        let data = frame::open(event.data.as_bytes(), frame::DEFAULT_MAX_OPEN_BYTES).unwrap();
                        return Some(Seen::Event(sequence(id), Text::read(&data)));
                    }
                    other => panic!("nobody said {other}"),
                }
                continue;
            }
            let came = timeout(LONGEST_SILENCE, self.source.next()).await.expect("a stream is never silent for long");
            let Ok(Some(bytes)) = came else { return None };
            match &mut self.gunzip {
                None => self.decoder.feed(&bytes),
                Some(gunzip) => self.decoder.feed(&opened(gunzip, &bytes)),
            }
        }
    }
}

pub(crate) fn sequence(id: &str) -> u64 {
    let Cursor { epoch, sequence } = id.parse().unwrap();
    assert_eq!(epoch.0, 0xabc);
    sequence
}
