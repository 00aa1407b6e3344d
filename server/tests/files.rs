//! The files of `www`, with the real binary on real sockets, where no client tidies a path up.

#![cfg(feature = "cli")]
// To clippy, a helper of tests is no test.
#![allow(clippy::unwrap_used)]

mod common;

use common::binary::Server;
use std::path::Path;
use tempfile::TempDir;

/// A folder to serve, `www`, inside of one that is not.
struct Files {
    outer: TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { outer: tempfile::tempdir().unwrap() };
        std::fs::write(files.outer.path().join("secret.txt"), "secret").unwrap();
        files.write("index.html", "<h1>hello</h1>");
        files.write("page.wasm", "\0asm");
        files.write("assets/app.js", "let x;");
        files
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.www().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn www(&self) -> std::path::PathBuf {
        self.outer.path().join("www")
    }

    fn serve(&self, flags: &[&str]) -> Server {
        Server::start(&[&["--www", self.www().to_str().unwrap()], flags].concat())
    }
}

fn get(server: &Server, path: &str, headers: &str) -> String {
    server.ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"))
}

fn value<'a>(answer: &'a str, name: &str) -> &'a str {
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{name} is missing: {answer}"))
}

fn is_not_found(answer: &str) -> bool {
    answer.starts_with("HTTP/1.1 404") && answer.contains("\"code\":\"not-found\"")
}

#[test]
fn files_are_served_so_that_a_new_build_shows() {
    let files = Files::new();
    let server = files.serve(&[]);
    let index = get(&server, "/", "");
    assert!(index.starts_with("HTTP/1.1 200") && index.ends_with("<h1>hello</h1>"), "{index}");
    assert_eq!(value(&index, "cache-control"), "no-cache");
    assert_eq!(value(&get(&server, "/page.wasm", ""), "content-type"), "application/wasm");
    assert!(is_not_found(&get(&server, "/nothing", "")));
    assert!(get(&server, "/events/health", "").contains("\"enabled\":true"));

    let known = format!("If-None-Match: {}\r\n", value(&index, "etag"));
    let unchanged = get(&server, "/", &known);
    assert!(unchanged.starts_with("HTTP/1.1 304") && value(&unchanged, "cache-control") == "no-cache", "{unchanged}");
    files.write("index.html", "<h1>a new build</h1>");
    assert!(get(&server, "/", &known).ends_with("<h1>a new build</h1>"));
}

#[test]
fn a_part_of_a_file_is_served_as_it_is() {
    let files = Files::new();
    files.write("long.txt", "0123456789".repeat(500));
    let server = files.serve(&[]);
    let part = get(&server, "/long.txt", "Range: bytes=10-14\r\nAccept-Encoding: gzip\r\n");
    assert!(part.starts_with("HTTP/1.1 206") && part.ends_with("\r\n\r\n01234"), "{part}");
    assert_eq!(value(&part, "content-range"), "bytes 10-14/5000");
    assert!(get(&server, "/long.txt", "Range: bytes=9000-\r\n").starts_with("HTTP/1.1 416"));
}

#[test]
fn what_never_changes_under_its_name_is_kept_for_a_year_and_nothing_else_is() {
    let files = Files::new();
    let server = files.serve(&["--immutable-paths", "/assets/", "--single-page-app", "true"]);
    let asset = get(&server, "/assets/app.js", "");
    assert_eq!(value(&asset, "cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(value(&get(&server, "/", ""), "cache-control"), "no-cache");
    assert_eq!(value(&get(&server, "/assets/gone.js", ""), "cache-control"), "no-store");
    // The page in the place of a file is no asset.
    assert_eq!(value(&get(&server, "/assets/gone", ""), "cache-control"), "no-cache");
}

#[test]
fn the_smallest_form_of_a_file_that_a_client_understands_is_served() {
    let files = Files::new();
    files.write("app.css", "body{}".repeat(1_000));
    files.write("app.css.gz", "as gzip");
    files.write("app.css.br", "as brotli");
    files.write("plain.css", "body{}".repeat(1_000));
    let server = files.serve(&[]);
    let check = |path: &str, accepts: &str, coding: &str, ending: &str| {
        let answer = get(&server, path, &format!("Accept-Encoding: {accepts}\r\n"));
        assert_eq!(value(&answer, "content-encoding"), coding, "{accepts}");
        assert_eq!(value(&answer, "content-type"), "text/css");
        assert_eq!(value(&answer, "vary"), "accept-encoding");
        assert!(answer.ends_with(ending), "{answer}");
    };
    check("/app.css", "gzip, br", "br", "as brotli");
    check("/app.css", "gzip", "gzip", "as gzip");
    check("/plain.css", "gzip, br", "gzip", "");
    let plain = get(&server, "/app.css", "");
    assert!(!plain.contains("content-encoding") && value(&plain, "vary") == "accept-encoding", "{plain}");
}

#[test]
fn a_page_with_routes_of_its_own_is_opened_at_any_of_them_but_never_in_the_place_of_an_answer_of_ours() {
    let files = Files::new();
    let server = files.serve(&["--single-page-app", "true"]);
    for path in ["/settings", "/users/7", "/users/", "/a%20b"] {
        let page = get(&server, path, "");
        assert!(page.starts_with("HTTP/1.1 200") && page.ends_with("<h1>hello</h1>"), "{path}: {page}");
        assert_eq!(value(&page, "cache-control"), "no-cache");
    }
    for path in ["/gone.js", "/events/nothing", "/health/nothing", "/metrics/nothing", "/.env", "/%2e%2e/settings"] {
        assert!(is_not_found(&get(&server, path, "")), "{path}");
    }
    let post =
        server.ask("POST /settings HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    assert!(is_not_found(&post), "{post}");
    assert!(is_not_found(&get(&files.serve(&[]), "/settings", "")));
}

#[test]
fn no_trick_with_a_path_leads_out_of_the_folder_or_to_what_hides_in_it() {
    let files = Files::new();
    files.write(".env", "secret");
    files.write(".git/config", "secret");
    files.write("a/.hidden", "secret");
    files.write(".well-known/security.txt", "Contact: us");
    for flags in [&[][..], &["--single-page-app", "true"]] {
        let server = files.serve(flags);
        for path in [
            "/../secret.txt",
            "/a/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/%2E%2E/secret.txt",
            "/.%2e/secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e%2fsecret.txt",
            "/..%5csecret.txt",
            "/..\\secret.txt",
            "/%252e%252e/secret.txt",
            "/%c0%ae%c0%ae/secret.txt",
            "/index.html%00.txt",
            "/%00",
            "/.env",
            "/%2eenv",
            "/.git/config",
            "/a/.hidden",
            "/a/./.hidden",
            "//secret.txt",
            "//evil.example/..",
            "/index.html/",
            "/index.html/x.txt",
            &format!("/{}.txt", "x".repeat(5_000)),
        ] {
            let answer = get(&server, path, "");
            assert!(!answer.contains("secret\r\n") && !answer.ends_with("secret"), "{path}: {answer}");
            // Some are no path at all, which hyper says without a body.
            assert!(answer.starts_with("HTTP/1.1 400") || is_not_found(&answer), "{path}: {answer}");
        }
        // A path in full, as a proxy would be asked.
        let answer = get(&server, "http://localhost/../secret.txt", "");
        assert!(is_not_found(&answer), "{answer}");
        assert!(get(&server, "/.well-known/security.txt", "").ends_with("Contact: us"));
    }
}

#[cfg(unix)]
#[test]
fn a_link_is_followed_inside_the_folder_and_never_out_of_it() {
    use std::os::unix::fs::symlink;
    let files = Files::new();
    let link = |target: &Path, name: &str| symlink(target, files.www().join(name)).unwrap();
    link(&files.outer.path().join("secret.txt"), "out.txt");
    link(files.outer.path(), "out");
    link(Path::new("../secret.txt"), "up.txt");
    link(Path::new("index.html"), "in.html");
    let server = files.serve(&[]);
    for path in ["/out.txt", "/out/secret.txt", "/out/", "/out", "/up.txt"] {
        let answer = get(&server, path, "");
        assert!(is_not_found(&answer), "{path}: {answer}");
    }
    assert!(get(&server, "/in.html", "").ends_with("<h1>hello</h1>"));
    // The folder itself may be a link, and may be turned to another release while the server runs.
    let current = files.outer.path().join("current");
    symlink(files.www(), &current).unwrap();
    let server = Server::start(&["--www", current.to_str().unwrap()]);
    assert!(get(&server, "/", "").ends_with("<h1>hello</h1>"));
    let next = files.outer.path().join("next");
    std::fs::create_dir(&next).unwrap();
    std::fs::write(next.join("index.html"), "the next release").unwrap();
    std::fs::remove_file(&current).unwrap();
    symlink(&next, &current).unwrap();
    assert!(get(&server, "/", "").ends_with("the next release"));
}

#[test]
fn pages_are_served_with_a_policy_that_can_be_changed_or_switched_off() {
    let files = Files::new();
    let policy = |flags: &[&str]| {
        let index = get(&files.serve(flags), "/", "");
        index.lines().find_map(|line| line.strip_prefix("content-security-policy: ")).map(str::to_owned)
    };
    let default = policy(&[]).unwrap();
    for part in ["default-src 'self'", "'wasm-unsafe-eval'", "object-src 'none'", "frame-ancestors 'self'"] {
        assert!(default.contains(part), "{default}");
    }
    let stricter = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'";
    assert_eq!(policy(&["--content-security-policy", stricter]).as_deref(), Some(stricter));
    assert_eq!(policy(&["--content-security-policy", "off"]), None);
}
