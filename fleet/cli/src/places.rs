//! `--console-to`: consoles that go to files, pseudo-terminals and ports.

use crate::{
    args::RunArgs,
    exit::Failure,
    out::{Stdout, say},
    subject::{Subject, View},
};
use fleet::Fleet;
use fleet_host::{
    io::EventSender,
    taps::{Place, Tap, Taps, Tell},
};
use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    sync::Arc,
};

/// What the option says: a console, unless it is the usual one, and a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleTo {
    /// As `--console` names it.
    pub console: Option<String>,
    /// Where it goes.
    pub place: Place,
}

/// Reads `[CONSOLE=]file:PATH`, `[CONSOLE=]pty` or `[CONSOLE=]tcp:[HOST:]PORT`.
pub fn console_to(text: &str) -> Result<ConsoleTo, String> {
    if let Some(place) = place(text) {
        return Ok(ConsoleTo { console: None, place: place? });
    }
    let halves = text.split_once('=').filter(|(console, _)| !console.is_empty());
    let named = halves.and_then(|(console, text)| Some((console, place(text)?)));
    let (console, place) =
        named.ok_or("this is a place, or CONSOLE=PLACE; places are file:PATH, pty, tcp:PORT")?;
    Ok(ConsoleTo { console: Some(console.into()), place: place? })
}

/// `None`: it begins as no place does.
fn place(text: &str) -> Option<Result<Place, String>> {
    match text.split_once(':') {
        None if text == "pty" => Some(Ok(Place::Pty)),
        Some(("file", "")) => Some(Err("file:PATH wants a path".into())),
        Some(("file", path)) => Some(Ok(Place::File(path.into()))),
        Some(("tcp", place)) => Some(loopback(place).map(Place::Tcp)),
        _ => None,
    }
}

/// Whoever reaches the port can type: that is for this host alone.
fn loopback(text: &str) -> Result<SocketAddr, String> {
    let place = host_and_port(text)?;
    if place.ip().is_loopback() {
        return Ok(place);
    }
    Err("only this host's own addresses, such as tcp:127.0.0.1:4444: whoever connects can type".into())
}

/// An address on this host: `127.0.0.1:3333`, `localhost:3333`, `:3333` or `3333`; port 0: any that is free.
pub fn host_and_port(text: &str) -> Result<SocketAddr, String> {
    if let Ok(place) = text.parse() {
        return Ok(place);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let ip = match host {
        "" | "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        host => host.parse(),
    };
    let place = ip.ok().zip(port.parse().ok()).map(SocketAddr::from);
    place.ok_or_else(|| "this is a port, as 3333, or an address with a port, as 127.0.0.1:3333".into())
}

/// Files that are to be written.
pub fn files(args: &RunArgs) -> impl Iterator<Item = (&'static str, Option<&Path>)> {
    args.console_to.iter().filter_map(|to| match &to.place {
        Place::File(path) => Some(("--console-to", Some(path.as_path()))),
        _ => None,
    })
}

/// The consoles that the command line wants elsewhere.
pub fn taps(args: &RunArgs, subject: &Subject) -> Result<Vec<Tap>, Failure> {
    let tap = |console: Option<&str>, place: &Place, option: &str| {
        let found = subject.console(console.or(args.console.as_deref()))?;
        let View::Raw { node, shown, typed } = found else {
            return Err(Failure::usage(format!(
                "{option} which console? Say {option} NODE={}",
                shape(place)
            )));
        };
        let Some(first) = typed.or(shown.first().copied()) else {
            return Err(Failure::usage(format!("{option} needs a console: `none` is none")));
        };
        let name = called(&subject.fleet, node, first);
        Ok(Tap { name, node, shown, typed, place: place.clone() })
    };
    let named = args.console_to.iter().map(|to| tap(to.console.as_deref(), &to.place, "--console-to"));
    let pty = args.pty.then(|| tap(None, &Place::Pty, "--console-to"));
    named.chain(pty).collect()
}

fn shape(place: &Place) -> &'static str {
    match place {
        Place::File(_) => "file:PATH",
        Place::Pty => "pty",
        Place::Tcp(_) => "tcp:PORT",
    }
}

/// A console as people call it.
fn called(fleet: &Fleet, node: u32, console: u16) -> String {
    let Some(found) = fleet.nodes().nth(node as usize) else { return "?".into() };
    let consoles = &found.machine.bus.fabric.consoles;
    let console = consoles.get(usize::from(console)).map_or("?", |c| &c.name);
    if fleet.nodes().len() > 1 { format!("{}.{console}", found.name) } else { console.into() }
}

/// Opens them, and says where they are: on standard output if `--pty` alone is asked for, whose user reads it there.
pub fn open(args: &RunArgs, taps: Vec<Tap>, events: &EventSender) -> Result<Taps, Failure> {
    let told = |tap: &Tap, name: &str| {
        if args.pty && args.console_to.is_empty() {
            let _ = writeln!(Stdout, "console: {name}"); // never fails
        } else {
            say!("{}: {name}", tap.name);
        }
    };
    Ok(Taps::open(taps, events, tell(), told)?)
}

fn tell() -> Tell {
    Arc::new(|text: &str| say!("{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mend_places_are_written_as_people_do() {
        let tcp = |port: u16| Place::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
        let file = |path: &str| Place::File(path.into());
        let cases = [
            ("pty", None, Place::Pty),
            ("a.uart1=pty", Some("a.uart1"), Place::Pty),
            ("file:a=b:c", None, file("a=b:c")),
            ("uart0=file:log", Some("uart0"), file("log")),
            ("tcp:4444", None, tcp(4444)),
            ("tcp::4444", None, tcp(4444)),
            ("tcp:localhost:0", None, tcp(0)),
            ("bit.1=tcp:127.0.0.1:9", Some("bit.1"), tcp(9)),
            ("tcp:[::1]:9", None, Place::Tcp(SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 9)))),
        ];
        for (text, console, place) in cases {
            let wanted = ConsoleTo { console: console.map(String::from), place };
            assert_eq!(console_to(text), Ok(wanted), "{text}");
        }
        for text in [
            "",
            "=",
            "=pty",
            "a",
            "a=",
            "a=b",
            "file:",
            "a=file:",
            "tcp:",
            "tcp:x",
            "tcp:1:2:3",
            "PTY",
            "udp:1",
        ] {
            assert!(console_to(text).is_err(), "{text}");
        }
        for text in ["tcp:0.0.0.0:1", "tcp:10.0.0.1:1", "a=tcp:[::]:1"] {
            assert!(console_to(text).is_err_and(|e| e.contains("own addresses")), "{text}");
        }
    }

    #[test]
    fn mend_places_for_gdb_are_written_as_people_do() {
        for text in ["127.0.0.1:3333", "localhost:3333", ":3333", "3333"] {
            assert_eq!(host_and_port(text), Ok(SocketAddr::from(([127, 0, 0, 1], 3333))), "{text}");
        }
        assert_eq!(host_and_port("[::1]:1").map(|p| p.to_string()), Ok("[::1]:1".into()));
        assert_eq!(host_and_port(":0").map(|p| p.port()), Ok(0));
        for text in ["", ":", "nowhere", "nowhere:1", "127.0.0.1", "127.0.0.1:99999", "-1", "1:2:3"] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
