//! What consoles print, shown raw or line by line.

use emu_core::Time;
use fleet::ConsoleByte;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
    ops::ControlFlow,
};

/// Looks for a text in what one console prints, as a terminal shows it: carriage returns count only for a text that has some.
#[derive(Debug, Default)]
pub struct Search {
    text: Vec<u8>,
    returns: bool,
    /// The last bytes of each console, shorter than the text.
    tails: BTreeMap<(u32, u16), Vec<u8>>,
}

impl Search {
    /// Looks for `text`.
    pub fn new(text: &str) -> Search {
        Search { text: text.as_bytes().to_vec(), returns: text.contains('\r'), tails: BTreeMap::new() }
    }

    /// The text ends with this byte.
    pub fn ends(&mut self, b: &ConsoleByte) -> bool {
        if b.byte == b'\r' && !self.returns {
            return false;
        }
        let tail = self.tails.entry((b.node, b.console)).or_default();
        tail.push(b.byte);
        let found = *tail == self.text;
        if tail.len() >= self.text.len() {
            tail.remove(0);
        }
        found
    }
}

/// Consoles, by node and number, that are not shown here: they go elsewhere. A text is looked for in them all the same.
pub type Moved = BTreeSet<(u32, u16)>;

/// Writes some consoles' bytes of one node as they are.
pub struct Raw {
    out: Box<dyn Write>,
    node: u32,
    shown: Vec<u16>,
    moved: Moved,
    until: Option<Search>,
    /// The text was printed.
    pub found: bool,
    /// The last byte shown.
    last: u8,
}

impl Raw {
    /// Shows the consoles `shown` of `node` on `out`, until one of them has printed `until`.
    pub fn new(out: Box<dyn Write>, node: u32, shown: Vec<u16>, until: Option<&str>) -> Raw {
        let until = until.map(Search::new);
        Raw { out, node, shown, moved: Moved::new(), until, found: false, last: b'\n' }
    }

    /// These go elsewhere.
    pub fn without(self, moved: Moved) -> Raw {
        Raw { moved, ..self }
    }

    /// Looks for what another one has looked for up to now.
    pub fn searching(self, until: Option<Search>) -> Raw {
        Raw { until, ..self }
    }

    /// What it looks for.
    pub fn search(&mut self) -> Option<Search> {
        self.until.take()
    }

    /// A line was begun here already, by this.
    pub fn after(self, begun: &[u8]) -> Raw {
        Raw { last: begun.last().copied().unwrap_or(b'\n'), ..self }
    }

    /// Shows bytes; `Break` once the text was printed (nothing behind it is shown) or nobody reads any more.
    pub fn show(&mut self, bytes: &[ConsoleByte]) -> ControlFlow<()> {
        let mut text = vec![];
        for b in bytes.iter().filter(|b| b.node == self.node && self.shown.contains(&b.console)) {
            if self.found {
                break;
            }
            if !self.moved.contains(&(b.node, b.console)) {
                text.push(b.byte);
            }
            self.found = self.until.as_mut().is_some_and(|s| s.ends(b));
        }
        let written = text.last().map(|last| {
            self.last = *last;
            self.out.write_all(&text).and_then(|()| self.out.flush())
        });
        if self.found || matches!(written, Some(Err(_))) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// The cursor stands at the start of a line.
    pub fn at_line_start(&self) -> bool {
        self.last == b'\n'
    }
}

/// A line may be longer; then it is cut.
const MAX_LINE: usize = 4096;

/// Writes whole lines of all consoles with time and name.
pub struct Lines<W> {
    out: W,
    names: Vec<String>,
    moved: Moved,
    open: BTreeMap<(u32, u16), (Time, Vec<u8>)>,
    until: Option<Search>,
    /// The text was printed.
    pub found: bool,
}

impl<W: Write> Lines<W> {
    /// `names` are those of the nodes.
    pub fn new(out: W, names: Vec<String>, until: Option<&str>) -> Lines<W> {
        let until = until.map(Search::new);
        Lines { out, names, moved: Moved::new(), open: BTreeMap::new(), until, found: false }
    }

    /// These go elsewhere.
    pub fn without(self, moved: Moved) -> Lines<W> {
        Lines { moved, ..self }
    }

    /// Where the lines go.
    pub fn out(&mut self) -> &mut W {
        &mut self.out
    }

    /// Looks for what another one has looked for up to now.
    pub fn searching(self, until: Option<Search>) -> Lines<W> {
        Lines { until, ..self }
    }

    /// What it looks for.
    pub fn search(&mut self) -> Option<Search> {
        self.until.take()
    }

    /// Takes a byte; the line that it completes, and its time.
    fn take(&mut self, b: &ConsoleByte) -> Option<(Time, Vec<u8>)> {
        let (at, line) = self.open.entry((b.node, b.console)).or_default();
        *at = b.at;
        if b.byte != b'\n' {
            line.push(b.byte);
        }
        (b.byte == b'\n' || line.len() >= MAX_LINE).then(|| (*at, std::mem::take(line)))
    }

    /// Remembers what was begun, and shows nothing.
    pub fn follow(&mut self, bytes: &[ConsoleByte]) {
        for b in bytes {
            if !self.moved.contains(&(b.node, b.console)) {
                self.take(b);
            }
        }
    }

    /// The line that a console has begun.
    pub fn begun(&self, node: u32, console: u16) -> &[u8] {
        self.open.get(&(node, console)).map_or(&[], |(_, line)| line)
    }

    /// Shows the lines that these bytes complete.
    pub fn show(&mut self, bytes: &[ConsoleByte]) -> io::Result<()> {
        for b in bytes {
            if self.found {
                break;
            }
            self.found = self.until.as_mut().is_some_and(|s| s.ends(b));
            if self.moved.contains(&(b.node, b.console)) {
                continue;
            }
            if let Some((at, line)) = self.take(b) {
                self.line(at, b.node, &line)?;
            }
        }
        self.out.flush()
    }

    /// Shows what is left without an end of line.
    pub fn finish(&mut self) -> io::Result<()> {
        for ((node, _), (at, line)) in std::mem::take(&mut self.open) {
            if !line.is_empty() {
                self.line(at, node, &line)?;
            }
        }
        self.out.flush()
    }

    fn line(&mut self, at: Time, node: u32, line: &[u8]) -> io::Result<()> {
        let name = self.names.get(node as usize).map_or("?", |n| n);
        let text = String::from_utf8_lossy(line);
        // A guest's control characters would move the cursor in other nodes' lines.
        let text: String = text.chars().filter(|c| !c.is_control() || *c == '\t').collect();
        writeln!(self.out, "[{at:>10} {name}] {text}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(node: u32, console: u16, text: &str) -> Vec<ConsoleByte> {
        text.bytes().map(|byte| ConsoleByte { at: Time::ms(1500), node, console, byte }).collect()
    }

    #[test]
    fn a_text_is_found_across_pieces_and_not_across_consoles() {
        let mut s = Search::new("aab");
        let ends = |s: &mut Search, console, text| bytes(0, console, text).iter().any(|b| s.ends(b));
        assert!(!ends(&mut s, 0, "aa"));
        assert!(!ends(&mut s, 1, "b"));
        assert!(ends(&mut s, 0, "ab"));
        assert!(ends(&mut s, 0, "xaaaab"));
    }

    #[test]
    fn mend_a_text_is_looked_for_as_a_terminal_shows_it() {
        let ends = |text: &str, printed| {
            let mut s = Search::new(text);
            bytes(0, 0, printed).iter().any(|b| s.ends(b))
        };
        for printed in ["x42\r\n", "42\n", "42\r\r\n"] {
            assert!(ends("42\n", printed), "{printed:?}");
        }
        assert!(ends("42\r\n", "42\r\n") && !ends("42\r\n", "42\n") && !ends("42\n", "42 \r\n"));
    }

    #[test]
    fn nothing_is_shown_behind_the_text() {
        let file = std::rc::Rc::new(std::cell::RefCell::new(vec![]));
        struct Shared(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);
        impl Write for Shared {
            fn write(&mut self, b: &[u8]) -> io::Result<usize> {
                self.0.borrow_mut().write(b)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut raw = Raw::new(Box::new(Shared(file.clone())), 0, vec![0], Some("ok"));
        assert!(raw.show(&bytes(0, 1, "not shown ok")).is_continue());
        assert!(raw.show(&bytes(1, 0, "nor this ok")).is_continue());
        assert!(raw.show(&bytes(0, 0, "is it o")).is_continue());
        assert!(!raw.found && !raw.at_line_start());
        assert!(raw.show(&bytes(0, 0, "k? yes")).is_break());
        assert_eq!(*file.borrow(), b"is it ok");
    }

    #[test]
    fn lines_carry_time_and_name_and_no_control_characters() {
        let mut out = vec![];
        let mut lines = Lines::new(&mut out, vec!["a".into(), "b".into()], None);
        lines.show(&bytes(0, 0, "one\r\ntw")).unwrap();
        lines.show(&bytes(1, 0, "\x1b[2Jred\n>>> ")).unwrap();
        lines.show(&bytes(0, 0, "o\n")).unwrap();
        lines.finish().unwrap();
        let want = "[  1.500000 a] one\n[  1.500000 b] [2Jred\n[  1.500000 a] two\n[  1.500000 b] >>> \n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }
}
