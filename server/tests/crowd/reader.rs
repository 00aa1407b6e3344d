//! What one of the crowd does.

use super::*;

/// One who reads, for as long as there is something to read.
pub(crate) struct Reader {
    pub(crate) dice: Dice,
    pub(crate) world: Arc<World>,
    pub(crate) lives: Vec<Life>,
    /// The last event of its topics, once there is one.
    pub(crate) last: Option<u64>,
}

impl Reader {
    /// Reads on and off until all is over, and then to the end.
    pub(crate) async fn read(mut self) -> Vec<Life> {
        while !self.world.is_over() {
            if self.lives.is_empty() || self.dice.one_in(3) {
                self.begin_a_life().await;
            } else {
                self.go_on().await;
            }
        }
        let Some(Life { topics, .. }) = self.lives.last() else { return self.lives };
        self.world.end.subscribe().wait_for(|is_known| *is_known).await.unwrap();
        self.last =
            self.world.published.lock().await.iter().rev().find(|(_, text)| text.is_of(topics)).map(|(last, _)| *last);
        let begun = Instant::now();
        while !self.has_all() {
            assert!(begun.elapsed() < LONGEST_SILENCE, "{:?} comes", self.last);
            self.go_on().await;
        }
        self.lives
    }

    /// Whether it has had the last event that there is for it, or was told of it.
    pub(crate) fn has_all(&self) -> bool {
        let told_through = self.lives.last().map_or(0, |life| life.told_through);
        self.last.is_some_and(|last| told_through >= last)
    }

    pub(crate) fn life(&mut self) -> &mut Life {
        self.lives.last_mut().unwrap()
    }

    pub(crate) fn some_topics(&mut self) -> Vec<&'static str> {
        let n_topics = 1 + self.dice.below(5) as usize;
        // Few sets for many readers, so that most of them have company.
        let mut choice = Dice(self.dice.below(8));
        let mut topics = TOPICS.to_vec();
        for at in 0..n_topics {
            let chosen = at + choice.below((topics.len() - at) as u64) as usize;
            topics.swap(at, chosen);
        }
        topics.truncate(n_topics);
        if self.dice.one_in(2) {
            topics.reverse();
        }
        topics
    }

    /// Begins somewhere, with some topics, whatever it read before.
    pub(crate) async fn begin_a_life(&mut self) {
        let topics = self.some_topics();
        let head = self.world.server.hub.head().sequence;
        let (resume, place) = match self.dice.below(8) {
            0 => ("from=earliest".into(), None),
            1 => (format!("last_event_id=def-{}", self.dice.below(head + 9)), None),
            2 => (format!("last_event_id=abc-{}", head + 1 + self.dice.below(1 << 40)), None),
            3 => ("last_event_id=no+cursor".into(), None),
            4 | 5 => {
                // A place where others begin, too.
                let place = head.saturating_sub(self.dice.below(100)) / 16 * 16;
                (format!("last_event_id=abc-{place}"), Some(place))
            }
            _ => (String::new(), None),
        };
        self.lives.push(Life { topics, kept_through: 0, seen: Vec::new(), told_through: 0 });
        if let Some(place) = place {
            self.life().saw(Seen::Place(place));
            // It may well be cut off meanwhile, or refused.
            drop(self.pass_by(place).await);
        }
        self.visit(&resume).await;
        if self.life().place().is_none() {
            self.lives.pop();
        }
    }

    /// Begins at a place with all sorts of topics, and leaves at once, without a word.
    pub(crate) async fn pass_by(&mut self, place: u64) -> io::Result<()> {
        let mut sockets = Vec::new();
        for _ in 0..self.dice.below(12) {
            let topics = self.some_topics().join("&topic=");
            let mut socket = TcpStream::connect(self.world.server.address).await?;
            socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
            socket.write_all(request(&format!("topic={topics}"), &format!("abc-{place}")).as_bytes()).await?;
            sockets.push(socket);
        }
        Ok(())
    }

    /// Goes on behind what it saw last.
    pub(crate) async fn go_on(&mut self) {
        let Some(place) = self.life().place() else { return };
        let name = if self.dice.one_in(6) { "cursor" } else { "last_event_id" };
        self.visit(&format!("{name}=abc-{place}")).await;
    }

    /// Reads a while.
    pub(crate) async fn visit(&mut self, resume: &str) {
        let topics: Vec<String> = self.life().topics.iter().map(|name| format!("topic={name}")).collect();
        let query = format!("{}&{resume}", topics.join("&"));
        let query = query.trim_end_matches('&');
        if resume.starts_with("cursor") {
            return self.poll(query).await;
        }
        let form = [Form::Plain, Form::Frames, Form::Gzip, Form::Gzip][self.dice.below(4) as usize];
        let (world, dice) = (Arc::clone(&self.world), &mut self.dice);
        let opening = timeout(LONGEST_SILENCE, Link::open(&world, query, form, dice)).await;
        // Whoever was refused or cut off comes again.
        let Ok(Some(mut link)) = opening.expect("an answer comes") else { return };
        if resume.starts_with("from") || resume.contains("=def-") {
            // Not before the stream has begun: it may have begun later than it was asked for.
            self.life().kept_through = world.server.hub.head().sequence;
        }
        let at_most = if self.dice.one_in(6) { 500 } else { 15 };
        let n_most = self.dice.below(at_most);
        for _ in 0..n_most {
            // All is over: it needs to know first what the last is.
            if self.last.is_none() && world.is_over() || self.has_all() {
                return;
            }
            if self.dice.one_in(30) {
                self.pause().await;
            }
            let Some(seen) = link.next().await else { return };
            let life = self.life();
            match seen {
                // Where it begins after all; what it asked for was no place.
                Seen::Gap(_, _, place) if life.seen.is_empty() => life.saw(Seen::Place(place)),
                seen => life.saw(seen),
            }
        }
    }

    pub(crate) async fn poll(&mut self, query: &str) {
        let answer = poll(&self.world.server.hub, &format!("{query}&wait=0.05")).await;
        if let Some(gap) = answer["gap"].as_object() {
            let [from, to] = ["from", "to"].map(|name| sequence(gap[name].as_str().unwrap()));
            self.life().saw(Seen::Gap(from, to, to));
        }
        for event in answer["events"].as_array().unwrap() {
            let [id, data] = ["id", "data"].map(|name| event[name].as_str().unwrap());
            self.life().saw(Seen::Event(sequence(id), Text::read(data)));
        }
        self.life().saw(Seen::Place(sequence(answer["cursor"].as_str().unwrap())));
    }

    /// Takes nothing until so many more events are published.
    pub(crate) async fn pause(&mut self) {
        let hub = self.world.server.hub.clone();
        let until = hub.head().sequence + self.dice.below(1_500);
        let mut interval = tokio::time::interval(PACE);
        while hub.head().sequence < until && !self.world.is_over() {
            interval.tick().await;
        }
    }
}
