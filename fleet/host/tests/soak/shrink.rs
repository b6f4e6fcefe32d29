//! Makes a failing case small: fewer commands and deeds, a plainer schedule, a shorter run.

use crate::case::Case;
use std::time::{Duration, Instant};

/// Longest time that it takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// The smallest case found that still fails, and how.
#[allow(clippy::disallowed_methods, reason = "how long it tries is the host's time")]
pub fn shrink(case: Case, why: String) -> (Case, String) {
    let start = Instant::now();
    let mut best = (case, why);
    loop {
        let before = best.0.clone();
        for change in changes(&best.0) {
            if start.elapsed() > PATIENCE {
                return best;
            }
            let smaller = change(&best.0);
            if smaller != best.0
                && let Err(why) = smaller.check()
            {
                best = (smaller, why);
            }
        }
        if best.0 == before {
            return best;
        }
    }
}

type Change = Box<dyn Fn(&Case) -> Case>;

fn changes(case: &Case) -> Vec<Change> {
    let mut all: Vec<Change> = vec![
        Box::new(|c| Case { threads: 0, ..c.clone() }),
        Box::new(|c| Case { compiled: false, ..c.clone() }),
        Box::new(|c| Case { upfront: true, ..c.clone() }),
        Box::new(|c| until(c, c.end / 2)),
        Box::new(|c| until(c, c.end * 9 / 10)),
    ];
    for n in sizes(case.commands.len()) {
        all.push(Box::new(move |c| Case { commands: without(&c.commands, n), ..c.clone() }));
    }
    for n in sizes(case.deeds.len()) {
        all.push(Box::new(move |c| Case { deeds: without(&c.deeds, n), ..c.clone() }));
    }
    all
}

fn until(case: &Case, end: u64) -> Case {
    let mut c = case.clone();
    c.end = end;
    c.commands.retain(|c| c.at.0 < end);
    c.deeds.retain(|d| d.0 <= end);
    c
}

/// Pieces of a list, large ones first: from, to. The ends come first, so that what is left keeps its places.
fn sizes(len: usize) -> Vec<(usize, usize)> {
    let mut all = vec![];
    let mut size = len;
    while size > 0 {
        all.extend((0..len).step_by(size).rev().map(|from| (from, (from + size).min(len))));
        size /= 2;
    }
    all
}

fn without<T: Clone>(list: &[T], (from, to): (usize, usize)) -> Vec<T> {
    let inside = |i: usize| (from..to).contains(&i);
    list.iter().enumerate().filter(|(i, _)| !inside(*i)).map(|(_, x)| x.clone()).collect()
}
