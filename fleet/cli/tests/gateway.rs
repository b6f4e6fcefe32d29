//! A guest's TCP/IP stack reaches the host through the gateway, and the host reaches the guest; a recorded session
//! replays without the host.
#![allow(clippy::unwrap_used)]

mod program;

use program::flotilla;
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
};

/// A file of this test alone, which is not there yet.
fn scratch(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_file(&path);
    path
}

/// Answers `count` HTTP requests on a port of loopback, and gives the first lines of the requests.
#[allow(clippy::disallowed_methods)] // the host's side of a test
fn serve(count: usize) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = move |mut stream: TcpStream| {
        let mut request = vec![];
        let mut piece = [0; 512];
        while !request.windows(4).any(|w| w == b"\r\n\r\n") {
            match stream.read(&mut piece).unwrap() {
                0 => break,
                n => request.extend(&piece[..n]),
            }
        }
        let body = "the host says hello\n";
        write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_string()
    };
    let thread =
        std::thread::spawn(move || (0..count).map(|_| answer(listener.accept().unwrap().0)).collect());
    (port, thread)
}

fn scenario(port: u16) -> String {
    format!(
        r#"
[switch.lan]
[switch.lan.gateway]
[node.anna]
machine = "mps2-an385"
image = "net"
[node.bert]
machine = "mps2-an386"
image = "net"
[[step]]
expect = "link up"
[[step]]
send = "dhcp\r"
[[step]]
node = "anna"
expect = "ip 10.0.2."
[[step]]
node = "bert"
expect = "ip 10.0.2."
[[step]]
wait = "10ms"
[[step]]
node = "anna"
send = "http http://10.0.2.2:{port}/by-address\r"
[[step]]
node = "anna"
expect = "| the host says hello"
within = "60s"
[[step]]
node = "anna"
expect = "http: 200 OK"
[[step]]
node = "bert"
send = "http http://localhost:{port}/by-name\r"
[[step]]
node = "bert"
expect = "| the host says hello"
within = "60s"
[[step]]
node = "bert"
expect = "http: 200 OK"
"#
    )
}

#[test]
fn fleet_gateway_two_guests_get_addresses_and_fetch_from_the_host() {
    let (port, server) = serve(2);
    let file = scratch("gateway.toml");
    fs::write(&file, scenario(port)).unwrap();
    flotilla(&["test", "-v", file.to_str().unwrap()]).ends_with(0);
    let asked = server.join().unwrap();
    assert_eq!(asked, ["GET /by-address HTTP/1.0", "GET /by-name HTTP/1.0"]);
}

/// A port of loopback that nobody listened on a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Fetches the guest's page through a forward, until the guest serves.
#[allow(clippy::disallowed_methods)]
fn fetch(port: u16) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        for _ in 0..600 {
            std::thread::sleep(std::time::Duration::from_millis(100));
            let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { continue };
            let mut page = String::new();
            let sent = stream.write_all(b"GET / HTTP/1.0\r\n\r\n");
            if sent.is_ok() && stream.read_to_string(&mut page).is_ok() && !page.is_empty() {
                return page;
            }
        }
        String::new()
    })
}

#[test]
fn fleet_gateway_a_recorded_session_replays_without_the_host() {
    let port = free_port();
    let (file, record) = (scratch("forward.toml"), scratch("forward.session"));
    let text = format!(
        "[switch.lan]\n[switch.lan.gateway]\nforward = [\"tcp {port} -> anna:80\"]\n\
         [node.anna]\nmachine = \"mps2-an385\"\nimage = \"net\"\n"
    );
    fs::write(&file, text).unwrap();
    let page = fetch(port);
    let script = scratch("forward.in");
    fs::write(&script, "dhcp\nhttpd\n").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_flotilla"));
    command.arg("run").arg(&file).args(["--console", "anna", "--for", "100s", "--speed", "1"]);
    command.args(["--until", "closed, "]).arg("--record").arg(&record);
    let run = command.stdin(fs::File::open(&script).unwrap()).output().unwrap();
    assert_eq!(run.status.code(), Some(0), "{run:?}");
    let page = page.join().unwrap();
    assert!(page.starts_with("HTTP/1.0 200 OK") && page.contains("<h1>node-"), "{page}");
    let replay = flotilla(&["replay", record.to_str().unwrap()]);
    replay.ends_with(0);
    let digest = |text: &str| text.lines().find_map(|l| l.strip_prefix("digest: ").map(str::to_string));
    let recorded = digest(&String::from_utf8(run.stderr).unwrap());
    assert!(recorded.is_some());
    assert_eq!(digest(&replay.stderr), recorded);
}

#[test]
fn a_port_in_use_is_one_message() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let file = scratch("taken.toml");
    let text = format!(
        "[switch.lan]\n[switch.lan.gateway]\nforward = [\"tcp {port} -> anna:80\"]\n\
         [node.anna]\nmachine = \"mps2-an385\"\nimage = \"net\"\n"
    );
    fs::write(&file, text).unwrap();
    let run = flotilla(&["run", file.to_str().unwrap(), "--for", "1ms"]);
    run.ends_with(3).says_only_on_stderr();
    assert!(run.stderr.contains(&format!("127.0.0.1:{port}")), "{}", run.stderr);
}
