//! A line that a person types, without the terminal it is shown on.

/// What a key did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The line, or where the cursor stands in it, may be another one.
    Changed,
    /// It is done.
    Done(String),
    /// It is given up.
    Left,
}

/// Lines that are remembered.
const REMEMBERED: usize = 100;
/// No line is longer.
const LONGEST: usize = 1000;

/// Edits a line, and remembers the ones before.
#[derive(Debug, Default)]
pub struct Editor {
    line: Vec<char>,
    cursor: usize,
    /// Bytes of a character or of a key's sequence that is not whole yet.
    begun: Vec<u8>,
    history: Vec<String>,
    /// Which of the history is shown; its length: the line that is new.
    shown: usize,
    /// The new line, while another is shown.
    new: Vec<char>,
}

impl Editor {
    /// Begins a new line.
    pub fn begin(&mut self) {
        self.set(vec![]);
        self.begun.clear();
        self.shown = self.history.len();
    }

    /// The line, and how many characters stand before the cursor.
    pub fn line(&self) -> (&[char], usize) {
        (&self.line, self.cursor)
    }

    /// Takes a byte; `last`: nothing else came with it, so an Escape is the key of that name.
    pub fn key(&mut self, byte: u8, last: bool) -> Edit {
        if self.begun.first() == Some(&ESCAPE) {
            return self.sequence(byte);
        }
        match byte {
            ESCAPE if last => return Edit::Left,
            b'\r' | b'\n' => return self.done(),
            3 | 7 => return Edit::Left,
            4 if self.line.is_empty() => return Edit::Left,
            ESCAPE => self.begun = vec![ESCAPE],
            1 => self.cursor = 0,
            2 => self.cursor = self.cursor.saturating_sub(1),
            4 => self.delete(),
            5 => self.cursor = self.line.len(),
            6 => self.cursor = (self.cursor + 1).min(self.line.len()),
            8 | 127 if self.cursor > 0 => {
                self.cursor -= 1;
                self.delete();
            }
            11 => self.line.truncate(self.cursor),
            14 => self.turn(1),
            16 => self.turn(-1),
            21 => drop(self.line.drain(..std::mem::take(&mut self.cursor))),
            23 => self.delete_word(),
            b' '..=126 | 128.. => self.text(byte),
            _ => {}
        }
        Edit::Changed
    }

    fn set(&mut self, line: Vec<char>) {
        self.cursor = line.len();
        self.line = line;
    }

    fn done(&mut self) -> Edit {
        let line: String = std::mem::take(&mut self.line).into_iter().collect();
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            self.history.push(line.clone());
            self.history.drain(..self.history.len().saturating_sub(REMEMBERED));
        }
        Edit::Done(line)
    }

    fn text(&mut self, byte: u8) {
        self.begun.push(byte);
        match std::str::from_utf8(&self.begun) {
            Ok(text) => {
                let new = text.chars().filter(|c| !c.is_control() && self.line.len() < LONGEST);
                for c in new.collect::<Vec<_>>() {
                    self.line.insert(self.cursor, c);
                    self.cursor += 1;
                }
                self.begun.clear();
            }
            Err(e) if e.error_len().is_some() => self.begun.clear(),
            Err(_) => {} // the rest is still to come
        }
    }

    /// The keys that send several bytes: arrows, Home, End, Delete; the others do nothing.
    fn sequence(&mut self, byte: u8) -> Edit {
        self.begun.push(byte);
        let ends = self.begun.len() > 2 && (0x40..0x7f).contains(&byte);
        if !ends && (self.begun.len() > 2 || matches!(byte, b'[' | b'O')) && self.begun.len() < 16 {
            return Edit::Changed;
        }
        match &std::mem::take(&mut self.begun)[1..] {
            [b'[' | b'O', b'A'] => self.turn(-1),
            [b'[' | b'O', b'B'] => self.turn(1),
            [b'[' | b'O', b'C'] => self.cursor = (self.cursor + 1).min(self.line.len()),
            [b'[' | b'O', b'D'] => self.cursor = self.cursor.saturating_sub(1),
            [b'[' | b'O', b'H'] | [b'[', b'1' | b'7', b'~'] => self.cursor = 0,
            [b'[' | b'O', b'F'] | [b'[', b'4' | b'8', b'~'] => self.cursor = self.line.len(),
            [b'[', b'3', b'~'] => self.delete(),
            _ => {}
        }
        Edit::Changed
    }

    fn delete(&mut self) {
        if self.cursor < self.line.len() {
            self.line.remove(self.cursor);
        }
    }

    fn delete_word(&mut self) {
        let before = &self.line[..self.cursor];
        let word = before.iter().rposition(|c| *c != ' ').map_or(0, |end| end + 1);
        let start = before[..word].iter().rposition(|c| *c == ' ').map_or(0, |i| i + 1);
        self.line.drain(start..self.cursor);
        self.cursor = start;
    }

    /// Shows an older line (-1) or a newer one (1).
    fn turn(&mut self, by: isize) {
        let Some(to) = self.shown.checked_add_signed(by).filter(|to| *to <= self.history.len()) else {
            return;
        };
        if self.shown == self.history.len() {
            self.new = self.line.clone();
        }
        self.shown = to;
        let line = match self.history.get(to) {
            Some(older) => older.chars().collect(),
            None => std::mem::take(&mut self.new),
        };
        self.set(line);
    }
}

const ESCAPE: u8 = 0x1b;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(editor: &mut Editor, text: &str) -> Edit {
        let mut last = Edit::Changed;
        for (i, b) in text.bytes().enumerate() {
            last = editor.key(b, i + 1 == text.len());
        }
        last
    }

    fn line(text: &str) -> String {
        let mut editor = Editor::default();
        editor.begin();
        match typed(&mut editor, &format!("{text}\r")) {
            Edit::Done(line) => line,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn mend_monitor_keys_edit_the_line() {
        let cases = [
            ("press button-a", "press button-a"),
            ("nodez\x7fs", "nodes"),
            ("\x7f\x08x", "x"),
            ("one two\x15three", "three"),
            ("one two  \x17three", "one three"),
            ("ac\x1b[Db\x1b[C!", "abc!"),
            ("bc\x1b[Ha\x1b[Fd\x01\x1b[3~", "bcd"),
            ("abc\x1bOD\x1bOD\x0b", "a"),
            ("a\x1b[1;5Cb\x1b[5~c", "abc"),
            ("gr\u{fc}n\t\x00", "gr\u{fc}n"),
        ];
        for (keys, wanted) in cases {
            assert_eq!(line(keys), wanted, "{keys:?}");
        }
    }

    #[test]
    fn mend_monitor_escape_alone_leaves_the_line() {
        let mut editor = Editor::default();
        for keys in ["abc\x1b", "abc\x03", "\x04"] {
            editor.begin();
            assert_eq!(typed(&mut editor, keys), Edit::Left, "{keys:?}");
        }
        editor.begin();
        assert_eq!(typed(&mut editor, "abc\x1b[A"), Edit::Changed);
    }

    #[test]
    fn mend_monitor_lines_before_come_again() {
        let mut editor = Editor::default();
        for text in ["one\r", "two\r", "two\r", " \r"] {
            editor.begin();
            typed(&mut editor, text);
        }
        editor.begin();
        assert_eq!(typed(&mut editor, "new\x1b[A\x1b[A\x1b[A\x1b[B\x1b[B"), Edit::Changed);
        assert_eq!(editor.line().0.iter().collect::<String>(), "new");
        assert_eq!(typed(&mut editor, "\x10\x10\r"), Edit::Done("one".into()));
    }

    #[test]
    fn mend_monitor_no_bytes_break_the_editor() {
        let mut editor = Editor::default();
        let mut seed = 1_u32;
        for _ in 0..200_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if editor.key((seed >> 24) as u8, seed & 256 == 0) != Edit::Changed {
                editor.begin();
            }
            let (line, cursor) = editor.line();
            assert!(cursor <= line.len() && line.len() <= LONGEST);
        }
    }
}
