//! Writes a recorded session to a file as it happens.

use fleet::{
    Fleet,
    config::Files,
    record::{Header, Recorder, Session, Subject, VERSION},
};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use crate::InputError;

/// Virtual time from one checkpoint to the next.
const EVERY: u64 = 1_000_000_000;

/// Files that are read while a fleet is built, with what a session's header says of them.
pub struct Noted<'a> {
    files: &'a dyn Files,
    images: RefCell<BTreeMap<String, String>>,
    boards: RefCell<BTreeMap<String, String>>,
    instead: RefCell<BTreeMap<String, String>>,
}

impl<'a> Noted<'a> {
    /// Notes what is read of `files`.
    pub fn new(files: &'a dyn Files) -> Noted<'a> {
        Noted { files, images: RefCell::default(), boards: RefCell::default(), instead: RefCell::default() }
    }

    /// The header of a session of what was read.
    pub fn header(self, subject: Subject, seed: u64) -> Header {
        let (images, boards) = (self.images.into_inner(), self.boards.into_inner());
        let instead = self.instead.into_inner();
        Header { version: VERSION, subject, seed, nodes: vec![], images, boards, instead }
    }
}

impl Files for Noted<'_> {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        let bytes = self.files.image(name)?;
        self.images.borrow_mut().insert(name.into(), images::sha256(&bytes));
        Ok(bytes)
    }
    fn board(&self, path: &str) -> Result<String, String> {
        let text = self.files.board(path)?;
        self.boards.borrow_mut().insert(path.into(), text.clone());
        Ok(text)
    }
    fn built(&self, nodes: usize, of: usize) -> Result<(), String> {
        self.files.built(nodes, of)
    }
    fn instead(&self, node: &str, group: Option<&str>) -> Option<String> {
        let image = self.files.instead(node, group)?;
        self.instead.borrow_mut().insert(node.into(), image.clone());
        Some(image)
    }
}

/// Files for a replay: the recorded boards, and images that must be the recorded ones.
pub struct Recorded<'a> {
    /// Of the session.
    pub header: &'a Header,
    /// Where the images are.
    pub files: &'a dyn Files,
}

impl Files for Recorded<'_> {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        let bytes = self.files.image(name)?;
        let (wanted, got) = (self.header.images.get(name), images::sha256(&bytes));
        match wanted {
            Some(wanted) if *wanted == got => Ok(bytes),
            Some(wanted) => Err(format!(
                "the image {name} is not the recorded one: its SHA-256 is {got}, the recorded one's {wanted}"
            )),
            None => Err(format!("the session has no image {name}")),
        }
    }
    fn board(&self, path: &str) -> Result<String, String> {
        let text = self.header.boards.get(path).cloned();
        text.ok_or_else(|| format!("the session has no board file {path}"))
    }
    fn built(&self, nodes: usize, of: usize) -> Result<(), String> {
        self.files.built(nodes, of)
    }
    fn instead(&self, node: &str, _: Option<&str>) -> Option<String> {
        self.header.instead.get(node).cloned()
    }
}

/// A session that is being written.
pub struct Recording {
    recorder: Recorder,
    out: Box<dyn Write + Send>,
}

impl Recording {
    /// Begins the session of a fleet that has not run yet.
    pub fn start(mut out: Box<dyn Write + Send>, header: Header, fleet: &Fleet) -> io::Result<Recording> {
        let (recorder, text) = Recorder::start(header, fleet, EVERY);
        out.write_all(text.as_bytes())?;
        Ok(Recording { recorder, out })
    }

    /// Writes what happened since the last call. `reached`: no node stands at a stop.
    pub fn take(&mut self, fleet: &mut Fleet, reached: bool) -> io::Result<()> {
        self.out.write_all(self.recorder.take(fleet, reached).as_bytes())
    }

    /// Writes the end.
    pub fn finish(mut self, fleet: &mut Fleet) -> io::Result<()> {
        self.out.write_all(self.recorder.finish(fleet).as_bytes())?;
        self.out.flush()
    }
}

/// No session is longer.
const MAX_SESSION: u64 = 1 << 30;

/// Reads a session, and says what is odd about it.
pub fn read(path: &Path) -> Result<(Session, Vec<String>), InputError> {
    let shown = path.display().to_string();
    let fail = |source| InputError::Read { path: shown.clone(), source };
    let file = File::open(path).map_err(fail)?;
    let mut bytes = vec![];
    file.take(MAX_SESSION + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > MAX_SESSION {
        return Err(InputError::Huge { path: shown, size: bytes.len() as u64 });
    }
    // A session that was cut off may end in the middle of a character.
    let text = String::from_utf8_lossy(&bytes);
    Session::read(&text).map_err(|source| InputError::Session { path: shown, source })
}
