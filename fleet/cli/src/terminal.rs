//! The user's terminal in raw mode, with QEMU's escape.

use fleet_host::HostEvent;
use std::io::{self, Write};

/// What Ctrl-A h shows.
pub const HELP: &str = "\n\
Ctrl-A x    quit\n\
Ctrl-A p    stop virtual time; once more: let it go on\n\
Ctrl-A a    send Ctrl-A to the guest\n\
Ctrl-A h    this help\n";

/// Ctrl-A.
const ESCAPE: u8 = 1;

/// Sorts what is typed into the guest's and ours.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

impl Keys {
    /// Takes typed bytes; `help` is called for Ctrl-A h.
    pub fn take(&mut self, bytes: &[u8], mut help: impl FnMut()) -> Vec<HostEvent> {
        let (mut text, mut events) = (vec![], vec![]);
        for &b in bytes {
            match (std::mem::take(&mut self.escaped), b) {
                (false, ESCAPE) => self.escaped = true,
                (false, b) => text.push(b),
                (true, b'x' | b'X') => events.push(HostEvent::Quit),
                (true, b'p' | b'P') => events.push(HostEvent::Pause),
                (true, b'a' | b'A' | ESCAPE) => text.push(ESCAPE),
                (true, b'h' | b'H' | b'?') => help(),
                (true, _) => {}
            }
        }
        if !text.is_empty() {
            events.insert(0, HostEvent::Typed(text));
        }
        events
    }
}

/// Raw mode, for as long as this lives.
pub struct RawMode;

impl RawMode {
    /// Every key goes to us at once, and nothing is shown by itself.
    pub fn enter() -> io::Result<RawMode> {
        crossterm::terminal::enable_raw_mode()?;
        Ok(RawMode)
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // The terminal may be gone; nobody is left to be told.
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// A raw terminal does not go back to the left at the end of a line: gives a carriage return to those without.
pub struct Returns<W> {
    out: W,
    last: u8,
}

impl<W: Write> Returns<W> {
    /// On top of `out`.
    pub fn new(out: W) -> Returns<W> {
        Returns { out, last: 0 }
    }
}

impl<W: Write> Write for Returns<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut text = Vec::with_capacity(bytes.len());
        for &b in bytes {
            if b == b'\n' && self.last != b'\r' {
                text.push(b'\r');
            }
            text.push(b);
            self.last = b;
        }
        self.out.write_all(&text)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(events: &[HostEvent]) -> Vec<String> {
        let kind = |e: &HostEvent| match e {
            HostEvent::Typed(t) => format!("{t:?}"),
            other => format!("{other:?}"),
        };
        events.iter().map(kind).collect()
    }

    #[test]
    fn the_escape_is_ours_and_the_rest_the_guests() {
        let mut keys = Keys::default();
        let mut helped = 0;
        assert_eq!(kinds(&keys.take(b"ab\x01", || helped += 1)), ["[97, 98]"]);
        assert_eq!(kinds(&keys.take(b"x", || helped += 1)), ["Quit"]);
        assert_eq!(kinds(&keys.take(b"\x01p\x01P", || helped += 1)), ["Pause", "Pause"]);
        assert_eq!(kinds(&keys.take(b"\x01a\x01\x01\x01h\x01zc\x03", || helped += 1)), ["[1, 1, 99, 3]"]);
        assert_eq!(helped, 1);
    }

    #[test]
    fn lines_start_at_the_left() {
        let mut out = vec![];
        let mut w = Returns::new(&mut out);
        w.write_all(b"a\nb\r").unwrap();
        w.write_all(b"\nc").unwrap();
        assert_eq!(out, b"a\r\nb\r\nc");
    }
}
