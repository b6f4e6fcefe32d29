//! What a terminal in raw mode shows: what guests print, what is said, and the line at which a person speaks to us.
//!
//! None of them tears another. While the line is open, guests' lines appear above it once they are whole. What a guest has
//! begun to print, a prompt most likely, is taken back before something else is shown in its place, and shown again after.

use crate::editor::{Edit, Editor};
use fleet_host::{HostEvent, signals};
use std::io::Write;

/// Ctrl-A.
const ESCAPE: u8 = 1;
const PROMPT: &str = "(flotilla) ";
/// Behind the prompt until something is typed.
const HINT: &str = "command, Enter; or at once: x quits, a sends Ctrl-A, ? helps";
/// To the start of the line, of which nothing is left.
const ERASE: &str = "\r\x1b[K";
/// A guest's line of which more was printed is not shown again.
const LONGEST: usize = 512;
/// A guest's line that is longer than this is not waited for.
const PATIENCE: usize = 4096;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Keys go to the guest.
    Guest,
    /// Keys edit the line; `first`: none was pressed yet.
    Line { first: bool },
    /// A line was given and is not answered yet.
    Asked,
}

/// See the module's documentation.
pub struct Screen {
    /// Where the line is shown.
    out: Box<dyn Write + Send>,
    /// Where guests print, this terminal too.
    guests: Box<dyn Write + Send>,
    columns: fn() -> usize,
    editor: Editor,
    state: State,
    /// The guest's last line as far as it was printed, or is held back; `None`: it cannot be shown again.
    rest: Option<Vec<u8>>,
    /// What is said and has no end of line yet.
    said: Vec<u8>,
    /// Somebody takes what is typed.
    keyboard: bool,
    /// It was said that nobody does.
    told: bool,
    /// The last byte that a guest printed here, if nothing came after it.
    last: u8,
}

/// With a carriage return before each end of line that has none; `last` stands before.
fn returned(bytes: &[u8], mut last: u8) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for &b in bytes {
        if b == b'\n' && last != b'\r' {
            text.push(b'\r');
        }
        text.push(b);
        last = b;
    }
    text
}

/// Whether a line can be taken back and shown again: it fits, and moves the cursor nowhere else.
fn repeats(line: &[u8], columns: usize) -> bool {
    let (mut width, mut rest) = (0, line.iter());
    while let Some(&b) = rest.next() {
        match b {
            0x1b => {
                let begins = rest.next() == Some(&b'[');
                let end = rest.find(|b| (0x40..0x7f).contains(*b));
                if !begins || !end.is_some_and(|e| b"mCDK".contains(e)) {
                    return false;
                }
            }
            b'\t' => width += 8,
            b'\r' | 8 => {}
            b' '.. => width += 1,
            _ => return false,
        }
    }
    width < columns
}

impl Screen {
    /// Shows the line on `out`; `guests` is where guests print, the same terminal, which has so many `columns`. `keyboard`:
    /// somebody takes what is typed.
    pub fn new(
        out: Box<dyn Write + Send>,
        guests: Box<dyn Write + Send>,
        columns: fn() -> usize,
        keyboard: bool,
    ) -> Screen {
        Screen {
            out,
            guests,
            columns,
            editor: Editor::default(),
            state: State::Guest,
            rest: Some(vec![]),
            said: vec![],
            keyboard,
            told: false,
            last: 0,
        }
    }

    fn put(&mut self, text: impl AsRef<[u8]>) {
        self.last = 0;
        let _ = self.out.write_all(text.as_ref()).and_then(|()| self.out.flush()); // nobody is left to be told
    }

    fn print(&mut self, text: &[u8]) {
        let last = text.last().copied().unwrap_or(self.last);
        let text = returned(text, std::mem::replace(&mut self.last, last));
        let _ = self.guests.write_all(&text).and_then(|()| self.guests.flush()); // it never fails
    }

    // ---- what guests print ----

    /// Guests print.
    pub fn guest(&mut self, bytes: &[u8]) {
        if self.state == State::Guest {
            self.print(bytes);
            self.follow(bytes);
            return;
        }
        let mut held = self.rest.take().unwrap_or_default();
        held.extend_from_slice(bytes);
        let end = match held.iter().rposition(|b| *b == b'\n') {
            Some(end) => end + 1,
            None if held.len() > PATIENCE => held.len(),
            None => 0,
        };
        self.rest = Some(held.split_off(end));
        if end > 0 {
            if !held.ends_with(b"\n") {
                held.push(b'\n');
            }
            self.put(ERASE);
            self.print(&held);
            self.redraw();
        }
    }

    /// Remembers the line that the guest has begun.
    fn follow(&mut self, bytes: &[u8]) {
        let line = match bytes.iter().rposition(|b| *b == b'\n') {
            Some(end) => {
                self.rest = Some(vec![]);
                &bytes[end + 1..]
            }
            None => bytes,
        };
        if let Some(rest) = &mut self.rest {
            rest.extend_from_slice(line);
            if rest.len() > LONGEST {
                self.rest = None;
            }
        }
    }

    /// Takes back the line that the guest has begun, or leaves it where it is: the cursor stands at the start of a line.
    fn aside(&mut self) {
        let columns = (self.columns)();
        if self.rest.as_ref().is_some_and(|rest| repeats(rest, columns)) {
            if self.rest.as_ref().is_some_and(|rest| !rest.is_empty()) {
                self.put(ERASE);
            }
        } else {
            self.put("\r\n");
            self.rest = Some(vec![]);
        }
    }

    /// Shows the line that the guest has begun.
    pub fn back(&mut self) {
        if let Some(rest) = self.rest.take() {
            self.print(&rest);
            self.rest = Some(rest).filter(|rest| rest.len() <= LONGEST);
        }
    }

    /// From now on somebody, or nobody, takes what is typed, and the line that the console shown has begun is this.
    pub fn turn(&mut self, keyboard: bool, begun: &[u8]) {
        (self.keyboard, self.told) = (keyboard, false);
        self.rest = Some(begun.to_vec());
    }

    // ---- what is said ----

    /// Says what is complete, above the line or before what the guest has begun.
    pub fn say(&mut self, bytes: &[u8]) {
        self.said.extend_from_slice(bytes);
        let Some(end) = self.said.iter().rposition(|b| *b == b'\n') else { return };
        let rest = self.said.split_off(end + 1);
        let text = returned(&std::mem::replace(&mut self.said, rest), 0);
        match self.state {
            State::Guest => {
                self.aside();
                self.put(text);
                self.back();
            }
            State::Line { .. } => {
                self.put(ERASE);
                self.put(text);
                self.redraw();
            }
            State::Asked => self.put(text),
        }
    }

    /// Shows what came of the line, and gives the keyboard back.
    pub fn answer(&mut self, text: &str) {
        self.say(text.as_bytes());
        if self.state == State::Asked {
            self.state = State::Guest;
            self.back();
        }
    }

    // ---- the line ----

    fn open(&mut self) {
        if self.state == State::Guest {
            self.aside();
        }
        self.editor.begin();
        self.state = State::Line { first: true };
        self.redraw();
    }

    /// The line is not open any more.
    pub fn close(&mut self) {
        if self.state == State::Guest {
            return;
        }
        if let State::Line { .. } = self.state {
            self.put(ERASE);
        }
        self.state = State::Guest;
        self.back();
    }

    /// Shows the line, or the part of it in which the cursor stands.
    fn redraw(&mut self) {
        let State::Line { first } = self.state else { return };
        let columns = (self.columns)();
        let room = columns.saturating_sub(PROMPT.len() + 1).max(1);
        let (line, cursor) = self.editor.line();
        let from = cursor.saturating_sub(room - 1);
        let text: String = line[from..].iter().take(room).collect();
        let hint = if first && HINT.len() < room { format!("\x1b[2m{HINT}\x1b[0m") } else { String::new() };
        let at = PROMPT.len() + cursor - from;
        self.put(format!("\r{PROMPT}{text}{hint}\x1b[K\r\x1b[{at}C"));
    }

    /// Sorts what is typed into the guest's and ours.
    pub fn keys(&mut self, bytes: &[u8]) -> Vec<HostEvent> {
        let (mut typed, mut events) = (vec![], vec![]);
        for (i, &b) in bytes.iter().enumerate() {
            let event = match self.state {
                State::Guest | State::Asked if b == ESCAPE => {
                    self.open();
                    None
                }
                State::Guest | State::Asked => {
                    typed.extend(Some(b).filter(|b| self.takes(*b)));
                    None
                }
                State::Line { first: true } if matches!(b, b'a' | b'A' | ESCAPE) => {
                    self.close();
                    typed.extend(Some(ESCAPE).filter(|_| self.keyboard));
                    None
                }
                State::Line { first } => self.edit(b, first, i + 1 == bytes.len()),
            };
            if let Some(event) = event {
                if !typed.is_empty() {
                    events.push(HostEvent::Typed(std::mem::take(&mut typed)));
                }
                events.push(event);
            }
        }
        if !typed.is_empty() {
            events.push(HostEvent::Typed(typed));
        }
        events
    }

    /// A key that the guest gets, if somebody takes what is typed; if not, it means what it means to any other program.
    fn takes(&mut self, key: u8) -> bool {
        if !self.keyboard && !signals::of_key(key) && !self.told {
            self.told = true;
            self.say(b"the keyboard goes nowhere: Ctrl-A, then `console NODE`, chooses a console\n");
        }
        self.keyboard
    }

    fn edit(&mut self, key: u8, first: bool, last: bool) -> Option<HostEvent> {
        match key {
            b'x' | b'X' | 24 if first => {
                self.close();
                return Some(HostEvent::Quit);
            }
            b'?' if first => {
                self.put(ERASE);
                self.state = State::Asked;
                return Some(HostEvent::Line("help".into()));
            }
            _ => {}
        }
        self.state = State::Line { first: false };
        match self.editor.key(key, last) {
            Edit::Changed => self.redraw(),
            Edit::Left => self.close(),
            Edit::Done(line) if line.trim().is_empty() => self.close(),
            Edit::Done(line) => {
                self.put("\r\n");
                self.state = State::Asked;
                return Some(HostEvent::Line(line));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<Vec<u8>>>);

    impl Write for Shown {
        fn write(&mut self, b: &[u8]) -> io::Result<usize> {
            self.0.lock().map_or(Ok(0), |mut all| all.write(b))
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// A screen and all that was written to it.
    fn fresh(keyboard: bool) -> (Screen, Shown) {
        let shown = Shown::default();
        (Screen::new(Box::new(shown.clone()), Box::new(shown.clone()), || 60, keyboard), shown)
    }

    /// The rows that a terminal shows which was sent this, cursor movements to the right aside.
    fn rows(shown: &Shown) -> Vec<String> {
        let text =
            String::from_utf8(shown.0.lock().map(|t| t.clone()).unwrap_or_default()).unwrap_or_default();
        let (mut rows, mut row, mut at) = (vec![], vec![], 0);
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            match c {
                '\n' => rows.push(std::mem::take(&mut row).into_iter().collect::<String>()),
                '\r' => at = 0,
                '\x1b' => {
                    let code: String = rest.by_ref().skip(1).take_while(|c| !c.is_alphabetic()).collect();
                    if code.is_empty() {
                        row.truncate(at); // K: the others have a number
                    }
                }
                c => {
                    row.truncate(row.len().max(at));
                    if at < row.len() {
                        row[at] = c
                    } else {
                        row.push(c)
                    }
                    at += 1;
                }
            }
        }
        rows.push(row.into_iter().collect());
        rows
    }

    fn kinds(events: &[HostEvent]) -> Vec<String> {
        let kind = |e: &HostEvent| match e {
            HostEvent::Typed(t) => String::from_utf8_lossy(t).escape_debug().to_string(),
            other => format!("{other:?}"),
        };
        events.iter().map(kind).collect()
    }

    #[test]
    fn mend_monitor_keys_are_ours_or_the_guests() {
        let (mut s, _) = fresh(true);
        let mut typed = |text: &[u8]| kinds(&s.keys(text));
        assert_eq!(typed(b"ab\x01"), ["ab"]);
        assert_eq!(typed(b"x"), ["Quit"]);
        assert_eq!(typed(b"\x01a\x01\x01c\x03"), ["\\u{1}\\u{1}c\\u{3}"]);
        assert_eq!(typed(b"hi\x01nodes\rho"), ["hi", "Line(\"nodes\")", "ho"]);
        assert_eq!(typed(b"\x01axe\x01x"), ["\\u{1}xe", "Quit"]);
        assert_eq!(typed(b"\x01press x\x7fa\r"), ["Line(\"press a\")"]);
        assert_eq!(typed(b"\x01?"), ["Line(\"help\")"]);
        assert_eq!(typed(b"\x01no\x03\x01\r\x01\x1b"), Vec::<String>::new());
        assert_eq!(typed(b"z"), ["z"]);
        let (mut s, shown) = fresh(false);
        assert_eq!(kinds(&s.keys(b"ab\x01time\r")), ["Line(\"time\")"]);
        assert_eq!(rows(&shown).iter().filter(|r| r.starts_with("the keyboard goes nowhere")).count(), 1);
    }

    #[test]
    fn mend_monitor_nothing_tears_the_line_or_what_the_guest_has_begun() {
        let (mut s, shown) = fresh(true);
        s.guest(b"boot\r\n>>> pri");
        s.say(b"digest at 1\n");
        assert_eq!(rows(&shown), ["boot", "digest at 1", ">>> pri"]);
        s.keys(b"\x01tim");
        assert_eq!(rows(&shown)[2..], ["(flotilla) tim"]);
        s.guest(b"nt\nnext");
        s.say(b"half ");
        s.guest(b" line");
        s.say(b"of it\n");
        assert_eq!(rows(&shown)[2..], [">>> print", "half of it", "(flotilla) tim"]);
        s.keys(b"e\r");
        s.guest(b"!");
        s.answer("virtual time 1 s\n");
        let wanted = [">>> print", "half of it", "(flotilla) time", "virtual time 1 s", "next line!"];
        assert_eq!(rows(&shown)[2..], wanted);
        s.keys(b"\x01x");
        assert_eq!(rows(&shown)[2..], wanted);
    }

    #[test]
    fn mend_monitor_what_cannot_be_shown_again_stays_where_it_is() {
        let long = "x".repeat(70);
        for begun in [&long[..], "\x1b[2Jfull \x1b[5;5Hscreen", &"y".repeat(600)] {
            let (mut s, shown) = fresh(true);
            s.guest(begun.as_bytes());
            s.keys(b"\x01time\r");
            s.answer("now\n");
            let rows = rows(&shown);
            assert_eq!(rows[rows.len() - 3..], ["(flotilla) time", "now", ""], "{begun:?}");
        }
    }

    #[test]
    fn mend_monitor_a_line_longer_than_the_terminal_is_shown_in_part() {
        let (mut s, shown) = fresh(true);
        s.keys(format!("\x01{}end", "bcdefghi ".repeat(20)).as_bytes());
        let row = rows(&shown).pop().unwrap_or_default();
        assert!(row.len() < 60 && row.starts_with(PROMPT) && row.ends_with("end"), "{row}");
    }

    #[test]
    fn lines_start_at_the_left() {
        let (mut s, shown) = fresh(true);
        for piece in ["a\nb\r", "\nc"] {
            s.guest(piece.as_bytes());
        }
        assert_eq!(*shown.0.lock().unwrap_or_else(|e| e.into_inner()), b"a\r\nb\r\nc");
    }
}
