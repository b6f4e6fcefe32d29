//! What `cargo xtask fuzz` fuzzes by coverage, on the seeds that are committed and some hundred changes of them, with the same
//! functions. `FUZZ=10` tries ten times as many.

#[path = "../../fuzz/src/lib.rs"]
#[allow(dead_code, reason = "libFuzzer's part is another crate's")]
mod targets;

use std::path::{Path, PathBuf};
use targets::{TARGETS, mutate::Dice};

fn clone() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("this crate lies in the clone").into()
}

/// The files of a folder, by name.
fn files(folder: &Path) -> Vec<Vec<u8>> {
    let listed = std::fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> =
        listed.map(|f| f.expect("it can be read").path()).filter(|p| p.is_file()).collect();
    paths.sort();
    paths.iter().map(|p| std::fs::read(p).expect("it can be read")).collect()
}

fn seeds(target: &targets::Target) -> Vec<Vec<u8>> {
    let own = clone().join("fleet/fuzz/seeds");
    let shipped = std::fs::read_to_string(own.join("shipped.txt")).expect("it is committed");
    let lines = shipped.lines().filter_map(|l| l.split_once(' ')).filter(|l| l.0 == target.name);
    let folders = lines.map(|l| clone().join(l.1)).chain(Some(own.join(target.name)).filter(|f| f.is_dir()));
    let mut all: Vec<_> = folders.flat_map(|f| files(&f)).collect();
    all.extend(target.made.iter().flat_map(|make| make()));
    all
}

fn times() -> u64 {
    std::env::var("FUZZ").map_or(1, |n| n.parse().expect("FUZZ is a number"))
}

/// Each seed as it is, then so many changed ones.
fn survives(name: &str, changed: u64) {
    let target = TARGETS.iter().find(|t| t.name == name).expect("it is listed");
    let seeds = seeds(target);
    assert!(!seeds.is_empty(), "{name} has no seeds");
    seeds.iter().for_each(|s| (target.run)(s));
    let mut dice = Dice(1);
    for _ in 0..changed * times() {
        let seed = &seeds[dice.below(seeds.len())];
        (target.run)(&targets::mutate::mutate(seed, dice.next()));
    }
}

#[test]
fn fuzz_loader() {
    survives("loader", 400);
}

#[test]
fn fuzz_board() {
    survives("board", 300);
}

#[test]
fn fuzz_fleet() {
    survives("fleet", 200);
}

#[test]
fn fuzz_scenario() {
    survives("scenario", 200);
}

#[test]
fn fuzz_session() {
    survives("session", 300);
}

#[test]
fn fuzz_saved() {
    survives("saved", 300);
}

#[test]
fn fuzz_gdb() {
    survives("gdb", 200);
}

#[test]
fn fuzz_frames() {
    survives("frames", 300);
}

/// The valid seeds are taken: a target that refuses everything would find nothing.
#[test]
fn seeds_are_valid() {
    let seed = |name: &str| {
        std::fs::read_to_string(clone().join("fleet/fuzz/seeds").join(name))
            .unwrap_or_else(|e| panic!("{name}: {e}"))
    };
    for name in ["board/small.toml", "board/soc.toml", "board/riscv.toml"] {
        targets::board::build(&seed(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for name in ["fleet/air.toml", "fleet/two.toml", "fleet/graph.toml", "fleet/nets.toml"] {
        fleet::config::load(name, &seed(name), None, &targets::shelf::Shelf)
            .unwrap_or_else(|e| panic!("{e}"));
    }
    for name in ["scenario/steps.toml", "scenario/other.toml"] {
        fleet::scenario::load(name, &seed(name), None, &targets::shelf::Shelf)
            .map(drop)
            .unwrap_or_else(|e| panic!("{e}"));
    }
    for name in ["session/image.jsonl", "session/fleet.jsonl", "session/scenario.jsonl"] {
        let (session, _) =
            fleet::record::Session::read(&seed(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(targets::session::build(&session).is_some(), "{name}");
    }
}

/// The plan of 200 million nodes took all memory before anything could be said.
#[test]
fn mend_groups_of_too_many_nodes_together_are_refused_at_once() {
    let group = |n| format!("[group.g{n}]\ncount = 1000000\nmachine = \"microbit\"\nimage = \"radio\"\n");
    let text: String = (0..200).map(group).collect();
    let Err(e) = fleet::config::load("f.toml", &text, None, &targets::shelf::Shelf) else {
        panic!("nobody has memory for these")
    };
    let wanted = "f.toml:798:9: all groups have 200000000 nodes together; a fleet has at most 2000000";
    assert!(e.to_string().contains(wanted), "{e}");
}
