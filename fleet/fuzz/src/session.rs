//! Recorded sessions: read, their fleet built and replayed a little.

use super::shelf::{self, Epochs, Shelf};
use emu_core::Time;
use fleet::{
    Fleet,
    config::{self, Files, Plan},
    record::{Session, Subject, replay},
    scenario,
};

/// Longest replay, in nanoseconds.
const LONGEST: u64 = 500_000;

/// The fleet of its header, if that is small.
pub fn build(session: &Session) -> Option<Fleet> {
    let seed = session.header.seed;
    let large = |text: &str| shelf::is_large(text);
    match &session.header.subject {
        Subject::Fleet { text, .. } | Subject::Scenario { text, .. } if large(text) => None,
        Subject::Fleet { file, text } => config::load(file, text, Some(seed), &Shelf).ok().map(|f| f.0),
        Subject::Scenario { file, text } => {
            scenario::load(file, text, Some(seed), &Shelf).ok().map(|s| s.fleet)
        }
        Subject::Image { image, machine, at } => {
            let known = Shelf.image(image).is_ok();
            let plan = known.then(|| Plan::single(machine, image, *at))?;
            config::build(&plan, seed, &Shelf, None).ok()
        }
    }
}

/// Reads and replays it.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let session = match Session::read(text) {
        Ok((session, _)) => session,
        Err(e) => return assert!(e.line > 0 && !e.message.is_empty()),
    };
    let _ = session.last();
    let Some(mut fleet) = build(&session) else { return };
    let until = session.last().min(Time(LONGEST));
    let _ = replay(&session, &mut fleet, &Epochs::new(3_000), Some(until), &mut ());
    let _ = (fleet.view(), fleet.digest());
}
