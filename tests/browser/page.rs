//! The page that the stories are told with: it keeps a record of all that the client tells it.

use serde_json::Value;

/// What the page keeps:
/// - `seen`: how many events came, and `wrong`: those that were not the next one, or not whole;
/// - `story`: each state as `name reason`, each gap, each error, in order;
/// - `heard`: when anything last came, and `silences`: how long it had been quiet when the client
///   called the link silent, in ms;
/// - `heartbeats`, `stream`.
pub(crate) const RECORDER: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>recorder</title>
<script type="module">
  import { EventStream } from './heartwire/dist/heartwire.js';
  Object.assign(window, { seen: 0, wrong: [], story: [], silences: [], heartbeats: 0, heard: performance.now() });
  window.record = (options, url = 'events') => {
    const stream = new EventStream(url, options);
    stream.onmessage = ({ data }) => {
      window.heard = performance.now();
      const [, number, length, text] = /^(\d+):(\d+):([^]*)$/.exec(data);
      if (Number(number) !== window.seen || text.length !== Number(length)) {
        window.wrong.push(`event ${number} of ${text.length} characters where ${window.seen} was next`);
      }
      window.seen = Number(number) + 1;
    };
    stream.addEventListener('heartbeat', () => {
      window.heard = performance.now();
      window.heartbeats += 1;
    });
    stream.addEventListener('state', ({ state, reason }) => {
      if (reason === 'silent') window.silences.push(performance.now() - window.heard);
      window.story.push(reason ? `${state} ${reason}` : state);
    });
    stream.addEventListener('gap', ({ reason }) => window.story.push(`gap ${reason}`));
    stream.addEventListener('error', ({ code }) => window.story.push(`error ${code}`));
    window.stream = stream;
  };
  window.ready = true;
</script>
"#;

/// [`RECORDER`] with more in its head, before any script of its own.
pub(crate) fn recorder_with(head: &str) -> String {
    RECORDER.replacen("<title>", &format!("{head}\n<title>"), 1)
}

/// A page whose policy allows its own scripts, and neither inline ones nor WebAssembly. Its script is [`recorder_script`].
pub(crate) const STRICT_PAGE: &str = r#"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="content-security-policy" content="script-src 'self'">
<title>strict recorder</title>
<script type="module" src="recorder.js"></script>
"#;

/// The script of [`RECORDER`] by itself.
pub(crate) fn recorder_script() -> Option<&'static str> {
    let (_, script) = RECORDER.split_once("<script type=\"module\">")?;
    Some(script.split_once("</script>")?.0)
}

/// The payload of event `number`, as [`RECORDER`] checks it: `<number>:<length>:<text>`.
pub(crate) fn payload(number: u64) -> String {
    // Every third is large enough for a frame; one in a hundred is large.
    let n_words = match number {
        n if n % 100 == 99 => 2_000,
        n if n % 3 == 0 => 150,
        n => n as usize % 10,
    };
    let text = format!("line {number}\nwith words, ünï and 🌊; ").repeat(n_words.div_ceil(4));
    // JavaScript counts UTF-16.
    format!("{number}:{}:{text}", text.encode_utf16().count())
}

/// The strings of a JSON array.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
