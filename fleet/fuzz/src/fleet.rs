//! Fleet files: read, built, run, saved, loaded.

use super::shelf::{self, Shelf};
use fleet::config;

/// Reads, builds and runs it.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if shelf::is_large(text) {
        return;
    }
    let mut fleet = match config::load("fuzz.toml", text, None, &Shelf) {
        Ok((fleet, _)) => fleet,
        Err(e) => return assert!(!e.0.is_empty() && !e.to_string().is_empty()),
    };
    if !shelf::run_a_little(&mut fleet, shelf::SHORT) {
        return;
    }
    let (_, digest) = (fleet.view(), fleet.digest());
    let saved = fleet.save();
    let mut other = config::load("fuzz.toml", text, None, &Shelf).expect("it was built before").0;
    other.load(&saved).expect("what was saved loads");
    assert_eq!(other.digest(), digest, "it loads as it was");
    let (one, two) =
        (shelf::run_a_little(&mut fleet, shelf::SHORT), shelf::run_a_little(&mut other, shelf::SHORT));
    if one && two {
        assert_eq!(other.digest(), fleet.digest(), "it runs as it did");
    }
}
