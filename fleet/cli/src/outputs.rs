//! The files that the command line wants written, before anything is written.

use crate::exit::Failure;
use std::{
    fs::{self, OpenOptions},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// A regular file, whatever its name: device and number.
type Identity = (u64, u64);

fn identity(path: &Path) -> Option<Identity> {
    let meta = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    Some((meta.dev(), meta.ino()))
}

/// Sees that each of `outputs` (the option that names it, and where) can be written, and that none is one of `inputs` or
/// another output, through whatever link. Files that are not there are made; nothing that is there is touched.
pub fn check(inputs: &[PathBuf], outputs: &[(&str, Option<&Path>)]) -> Result<(), Failure> {
    let read: Vec<_> = inputs.iter().filter_map(|path| Some((identity(path)?, path))).collect();
    let mut written: Vec<(Identity, &str)> = vec![];
    for (option, path) in outputs.iter().filter_map(|(option, path)| Some((*option, (*path)?))) {
        // A pipe, a terminal or /dev/null may be named as often as one likes, and to open a pipe may wait for its reader.
        if fs::metadata(path).is_ok_and(|m| !m.is_file() && !m.is_dir()) {
            continue;
        }
        let shown = path.display();
        let opened = OpenOptions::new().create(true).truncate(false).write(true).open(path);
        opened.map_err(|e| Failure::input(format!("cannot write {shown}: {e}")))?;
        let Some(id) = identity(path) else { continue };
        if let Some((_, input)) = read.iter().find(|(i, _)| *i == id) {
            let input = input.display();
            return Err(Failure::usage(format!("{option} {shown} would overwrite {input}, which is read")));
        }
        if let Some((_, other)) = written.iter().find(|(i, _)| *i == id) {
            return Err(Failure::usage(format!("{option} {shown} is the file that {other} writes")));
        }
        written.push((id, option));
    }
    Ok(())
}
