//! The page that the browsers read with. What it decodes it posts to the test, and it reads on when
//! the post is answered: so the test decides how fast it reads, as it does with a pipe.

/// `read(url, lastEventId, sink)` reads with `fetch`, `listen(url, sink, types)` with a plain
/// `EventSource`; each ends what was read before. `stop()` ends both.
pub(crate) const READER: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>reader</title>
<script>
  let reading, source;
  // A simple request, so that no preflight is sent. The answer is not ours to see, nor needed.
  const post = (sink, body) => fetch(sink, { method: 'POST', mode: 'no-cors', body });

  window.stopReading = () => reading?.abort();
  window.stopListening = () => source?.close();

  window.read = (url, lastEventId, sink) => {
    stopReading();
    const mine = new AbortController();
    reading = mine;
    (async () => {
      const headers = lastEventId ? { 'last-event-id': lastEventId } : {};
      const response = await fetch(url, { headers, signal: mine.signal, cache: 'no-store' });
      await post(sink, `content-encoding: ${response.headers.get('content-encoding')}\r\n\r\n`);
      const pieces = response.body.getReader();
      for (;;) {
        const { done, value } = await pieces.read();
        if (mine.signal.aborted) return;
        if (done) break;
        await post(sink, value);
      }
      await post(sink, '');
    })().catch((err) => mine.signal.aborted || post(sink, `\n\n: ${err}\n\n`).then(() => post(sink, '')));
  };

  window.listen = (url, sink, types) => {
    stopListening();
    const mine = new EventSource(url);
    source = mine;
    let blocks = [];
    let isPosting = false;
    const pass = async () => {
      if (isPosting) return;
      isPosting = true;
      while (blocks.length && source === mine) {
        const body = blocks.join('');
        blocks = [];
        await post(sink, body);
      }
      isPosting = false;
    };
    // An event as the server writes it. That it has no id of its own does not show here.
    const write = ({ type, data, lastEventId }) => {
      const id = lastEventId ? `id: ${lastEventId}\n` : '';
      const name = type === 'message' ? '' : `event: ${type}\n`;
      const lines = data.split('\n').map((line) => `data: ${line}\n`).join('');
      blocks.push(`${id}${name}${lines}\n`);
      pass();
    };
    for (const type of types) mine.addEventListener(type, write);
  };
  window.ready = true;
</script>
"#;
