//! Flash that outlives a run: a file that stands for the memory of a chip which its guest can change and a loss of power
//! does not.
//!
//! A chip without a file is new: the image is programmed into it. A file that was made with the same image is the chip as
//! it was left. With another image somebody would have to decide what becomes of the rest, as a programmer's erasure does:
//! that is an error, and to delete the file the answer.
//!
//! ## The file
//! Lines of text up to an empty one, then the bytes of the regions one after the other:
//!
//! ```text
//! flotilla flash 1
//! board microbit
//! image firmware.hex
//! holds SHA-256 of what the image puts into the regions
//! region flash 0x0 0x40000
//! region uicr 0x10001000 0x100
//! ```

use crate::InputError;
use fleet::{Command, Fleet, Node, flash};
use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// The first line.
const MAGIC: &str = "flotilla flash 1";
/// The lines of text are not longer.
const MOST_TEXT: usize = 4096;

/// See the module's documentation.
pub struct Flash {
    node: u32,
    path: PathBuf,
    head: String,
    /// What the file holds by now.
    stored: Option<Vec<u8>>,
    /// Keeps other runs off the file.
    _lock: Option<File>,
}

/// What the lines of text say.
#[derive(PartialEq, Eq)]
struct Head {
    board: String,
    image: String,
    holds: String,
    regions: Vec<String>,
}

impl Head {
    fn of(node: &Node, start: &[u8]) -> Head {
        let region = |r: &&emu_core::memory::Region| format!("{} {:#x} {:#x}", r.name, r.base, r.size);
        Head {
            board: one_line(&node.machine.name),
            image: one_line(&node.firmware.name),
            holds: images::sha256(start),
            regions: flash::regions(&node.machine).iter().map(region).collect(),
        }
    }

    fn text(&self) -> String {
        let Head { board, image, holds, regions } = self;
        let regions: String = regions.iter().map(|r| format!("region {r}\n")).collect();
        format!("{MAGIC}\nboard {board}\nimage {image}\nholds {holds}\n{regions}\n")
    }

    /// Reads the lines; the rest are the regions' bytes.
    fn read(bytes: &[u8]) -> Option<(Head, &[u8])> {
        let end = bytes.windows(2).take(MOST_TEXT).position(|w| w == b"\n\n")?;
        let text = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = text.lines();
        let mut field = |name: &str| Some(lines.next()?.strip_prefix(name)?.to_string());
        if !field(MAGIC)?.is_empty() {
            return None;
        }
        let (board, image, holds) = (field("board ")?, field("image ")?, field("holds ")?);
        let regions = lines.map(|l| l.strip_prefix("region ").map(String::from)).collect::<Option<_>>()?;
        Some((Head { board, image, holds, regions }, &bytes[end + 2..]))
    }
}

/// A name as it can stand in a line.
fn one_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { '?' } else { c }).take(1000).collect()
}

impl Flash {
    /// The flash of a node of a fleet that has not run is what `path` holds, if it holds something.
    pub fn open(path: &Path, fleet: &mut Fleet, node: u32) -> Result<Flash, InputError> {
        let fail = |why: String| InputError::Flash { path: path.display().to_string(), why };
        let Some(found) = fleet.nodes().nth(node as usize) else { return Err(fail("no such node".into())) };
        possible(path, found)?;
        let start = flash::at_start(fleet, found);
        let head = Head::of(found, &start);
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.into()); // what a link leads to, not the link
        let (lock, bytes) = read(&path, start.len()).map_err(|e| fail(e.to_string()))?;
        let mut flash = Flash { node, path, head: head.text(), stored: None, _lock: lock };
        if bytes.is_empty() {
            return Ok(flash);
        }
        let (was, content) =
            Head::read(&bytes).ok_or_else(|| fail("this is no flash of an earlier run".into()))?;
        same(&was, &head).map_err(&fail)?;
        if content.len() != start.len() {
            return Err(fail(format!(
                "it holds {} bytes, not {}: it is damaged",
                content.len(),
                start.len()
            )));
        }
        if let Some(act) = flash::act(&found.machine, &start, content) {
            fleet.apply(Command::new(fleet.now(), node, act));
        }
        flash.stored = Some(content.to_vec());
        Ok(flash)
    }

    /// Writes what the flash holds by now: all of it or, if that is not possible, nothing.
    pub fn save(&mut self, fleet: &Fleet) -> Result<(), InputError> {
        let Some(node) = fleet.nodes().nth(self.node as usize) else { return Ok(()) };
        let content = flash::content(&node.machine);
        if self.stored.as_ref() == Some(&content) {
            return Ok(());
        }
        let written = replace(&self.path, &[self.head.as_bytes(), &content]);
        written.map_err(|source| InputError::Write { path: self.path.display().to_string(), source })?;
        self.stored = Some(content);
        Ok(())
    }
}

/// The node has flash that a file can stand for.
pub fn possible(path: &Path, node: &Node) -> Result<(), InputError> {
    if !flash::regions(&node.machine).is_empty() {
        return Ok(());
    }
    let why = format!("{} has no flash that its guest could write", node.machine.name);
    Err(InputError::Flash { path: path.display().to_string(), why })
}

/// The file's bytes, of which no other run makes use from now on. None: it is not there, or empty.
fn read(path: &Path, most: usize) -> io::Result<(Option<File>, Vec<u8>)> {
    let file = match File::open(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok((None, vec![])),
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
        return Err(io::Error::other("another run uses it"));
    }
    let mut bytes = vec![];
    (&file).take((most + MOST_TEXT + 1) as u64).read_to_end(&mut bytes)?;
    Ok((Some(file), bytes))
}

/// The file is that of this board and image.
fn same(was: &Head, is: &Head) -> Result<(), String> {
    if was.board != is.board {
        return Err(format!("this is the flash of a {}, not of a {}", was.board, is.board));
    }
    if was.regions != is.regions {
        let list = |regions: &[String]| regions.join(", ");
        let (was, is) = (list(&was.regions), list(&is.regions));
        return Err(format!("its {was} are not this board's {is}"));
    }
    if was.holds != is.holds {
        let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_string();
        let (old, new) = (short(&was.holds), short(&is.holds));
        return Err(format!(
            "it was made with the image {} ({old}), and this is {} ({new}); delete it to begin anew with this image",
            was.image, is.image
        ));
    }
    Ok(())
}

/// Makes these bytes the file's, or leaves it as it is.
fn replace(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let write = || {
        let mut file = File::create(&beside)?;
        parts.iter().try_for_each(|part| file.write_all(part))?;
        if let Ok(old) = fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    let written = write();
    if written.is_err() {
        let _ = fs::remove_file(&beside); // it may not even be there
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mend_the_lines_are_read_as_they_are_written() {
        let regions = vec!["flash 0x0 0x10".to_string(), "uicr 0x100 0x4".to_string()];
        let head = Head { board: "a b".into(), image: "c=d.hex".into(), holds: "00ff".into(), regions };
        let file = [head.text().as_bytes(), b"\n\nbytes"].concat();
        let (read, rest) = Head::read(&file).expect("it is one");
        assert!(read == head && rest == b"\n\nbytes");
        for wrong in [&b""[..], b"flotilla flash 1\n\n", b"flotilla flash 2\nboard x\nimage y\nholds z\n\n"] {
            assert!(Head::read(wrong).is_none());
        }
        assert!(Head::read(&file[..file.len() - 8 - 2]).is_none(), "cut off");
    }
}
