//! `flotilla replay`: recorded sessions.

use crate::{
    args::ReplayArgs,
    console::Lines,
    debug::Debug,
    exit::{Code, Failure},
    out::{Stderr, Stdout, say},
    outputs,
    show::{cut, engine, note, pool},
    subject::one,
    summary,
};
use emu_core::Time;
use fleet::{
    Command, ConsoleByte, Executor, Fleet, FleetExit,
    config::Files,
    determinism,
    export::Export,
    image::Firmware,
    record::{self, Happening, Mismatch, Session, Spectator, Subject},
    scenario,
};
use fleet_host::{
    Folder, load,
    record::{Recorded, read},
    signals,
    usage::cpu_time,
};
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

/// Runs the command.
pub fn replay(args: &ReplayArgs) -> Result<Code, Failure> {
    let started = cpu_time();
    let (session, warnings) = read(&args.file)?;
    let file = args.file.display();
    for w in warnings {
        say!("warning: {file}: {w}");
    }
    let inputs = [std::slice::from_ref(&args.file), &named(&session)].concat();
    outputs::check(&inputs, &[("--export", args.export.as_deref()), ("--pcap", args.debug.pcap.as_deref())])?;
    let mut fleet = rebuild(&session, args.slice)?;
    note(engine(args.engine, &mut fleet)?);
    let names: Vec<_> = fleet.nodes().map(|n| n.name.clone()).collect();
    if names != session.header.nodes {
        return Err(Failure::input(format!("{file}: the session's nodes are not those of its fleet")));
    }
    let executor = pool(args.threads, names.len());
    let lines = Lines::new(Stdout, names, None);
    let debug = Debug::open(&args.debug, &mut fleet)?;
    let mut watch = Watch { lines, debug, export: args.export.as_ref().map(|_| Export::of(&session)) };
    let replayed = record::replay(&session, &mut fleet, &*executor, args.for_.map(Time), &mut watch);
    watch.lines.finish()?;
    let ended = watch.debug.killed() || signals::received().is_some();
    watch.debug.close(&mut fleet, 0);
    if let Some(why) = watch.debug.failure.take() {
        return Err(Failure::input(why));
    }
    let cpu = cpu_time().saturating_sub(started);
    let (view, digest) = (fleet.view(), fleet.digest());
    let commands = session.happenings.iter().filter(|h| matches!(h, Happening::Command(_))).count();
    say!("replayed: {commands} commands, {} checkpoints are the same", replayed.checked);
    summary::write(&mut Stderr, &view, cpu, Some(digest).filter(|_| !ended))?;
    if ended {
        say!("the replay was ended at {} s", fleet.now());
        return Ok(cut(Code::Ok));
    }
    if let Some(mismatch) = replayed.mismatch {
        say!("error: this is not what was recorded: {}", explain(&mismatch, &session));
        return Ok(Code::Digest);
    }
    if let (Some(path), Some(export)) = (&args.export, watch.export) {
        write(path, export, &session, fleet.now())?;
    }
    Ok(Code::Ok)
}

fn write(path: &Path, export: Export, session: &Session, end: Time) -> Result<(), Failure> {
    let left_out = export.left_out();
    let text = export.finish(session, end).map_err(Failure::input)?;
    let unwritable = |e| Failure::input(format!("cannot write {}: {e}", path.display()));
    std::fs::write(path, text).map_err(unwritable)?;
    if left_out > 0 {
        say!("warning: {left_out} commands have no step in a scenario: they stand there as comments");
    }
    Ok(())
}

/// The fleet of the header, with the recorded images.
pub fn rebuild(session: &Session, slice: Option<u64>) -> Result<Fleet, Failure> {
    let header = &session.header;
    match &header.subject {
        Subject::Fleet { file, text } => {
            let folder = Folder::of(Path::new(file));
            let files = Recorded { header, files: &folder };
            let loaded = fleet::config::load(file, text, Some(header.seed), &files);
            let (mut fleet, _) = loaded.map_err(|e| Failure::input(e.to_string()))?;
            fleet.slice = slice.unwrap_or(u64::MAX);
            Ok(fleet)
        }
        Subject::Scenario { file, text } => {
            let folder = Folder::of(Path::new(file));
            let files = Recorded { header, files: &folder };
            let loaded = scenario::load(file, text, Some(header.seed), &files);
            let mut fleet = loaded.map_err(|e| Failure::input(e.to_string()))?.fleet;
            fleet.slice = slice.unwrap_or(u64::MAX);
            Ok(fleet)
        }
        Subject::Image { image, machine, at } => {
            let folder = Folder::of(Path::new(""));
            let files = Recorded { header, files: &folder };
            let board = load::board_of(machine, &files)?;
            let bytes = files.image(image).map_err(Failure::input)?;
            let firmware = Firmware::parse_for(&board.info, image, &bytes, *at)
                .map_err(|e| Failure::input(e.to_string()))?;
            one(board, &firmware, header.seed, slice)
        }
    }
}

/// Files that a session names.
fn named(session: &Session) -> Vec<PathBuf> {
    let header = &session.header;
    let folder = match &header.subject {
        Subject::Fleet { file, .. } | Subject::Scenario { file, .. } => {
            Path::new(file).parent().unwrap_or(Path::new(""))
        }
        Subject::Image { .. } => Path::new(""),
    };
    let mut all: Vec<_> = header.images.keys().chain(header.boards.keys()).map(|n| folder.join(n)).collect();
    if let Subject::Fleet { file, .. } | Subject::Scenario { file, .. } = &header.subject {
        all.push(file.into());
    }
    all
}

fn explain(mismatch: &Mismatch, session: &Session) -> String {
    match mismatch {
        Mismatch::Digest { same, at, wanted, got } => format!(
            "the digest at {at} s is {got:032x}, recorded was {wanted:032x}; up to {same} s all was the same"
        ),
        Mismatch::Retired { at, node, wanted, got } => {
            let name = session.header.nodes.get(*node as usize).map_or("?", |n| n);
            format!("at {at} s {name} has retired {got} instructions, recorded were {wanted}")
        }
    }
}

/// Shows consoles line by line, and may write a scenario.
struct Watch {
    lines: Lines<Stdout>,
    debug: Debug,
    export: Option<Export>,
}

impl Spectator for Watch {
    fn run(&mut self, fleet: &mut Fleet, to: Time, executor: &dyn Executor) -> ControlFlow<()> {
        let alone = |fleet: &mut Fleet| {
            determinism::run(fleet, to, executor);
            FleetExit::Reached
        };
        loop {
            // A debugger that interrupts is heard from time to time.
            let next = if self.debug.debugs() { to.min(fleet::grid_after(fleet.now())) } else { to };
            match self.debug.run(fleet, next, executor, alone) {
                FleetExit::Reached if next < to => {}
                FleetExit::Reached => {
                    fleet.take_host_requests(); // the host's answers are in the session
                    return ControlFlow::Continue(());
                }
                FleetExit::Interrupted => return ControlFlow::Break(()),
                FleetExit::Stopped { .. } | FleetExit::Exited { .. } => {}
            }
        }
    }
    fn console(&mut self, bytes: &[ConsoleByte]) {
        let _ = self.lines.show(bytes); // the digests decide, whether somebody reads this or not
        if let Some(export) = &mut self.export {
            export.console(bytes);
        }
    }
    fn command(&mut self, command: &Command) {
        if let Some(export) = &mut self.export {
            export.command(command);
        }
    }
}
