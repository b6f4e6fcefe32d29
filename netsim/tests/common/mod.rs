//! tshark, which reads what we capture.

use std::{
    io::Write,
    process::{Command, Stdio},
};

/// What tshark prints, and what it complains about, for a capture that comes through a pipe.
pub fn tshark(capture: &[u8], arguments: &[&str]) -> (String, String) {
    let mut child = Command::new("tshark")
        .args(["-n", "-r", "-"])
        .args(arguments)
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("tshark does not start ({e}): apt-get install tshark"));
    let mut stdin = child.stdin.take().expect("it is piped");
    // A tshark that has seen enough closes its end.
    let _ = stdin.write_all(capture);
    drop(stdin);
    let output = child.wait_with_output().expect("tshark ends");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let complaints: Vec<String> = text(&output.stderr)
        .lines()
        .filter(|l| !l.is_empty() && !l.starts_with("Running as user"))
        .map(String::from)
        .collect();
    (text(&output.stdout), complaints.join("\n"))
}
