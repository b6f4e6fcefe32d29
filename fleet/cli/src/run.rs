//! `flotilla run`: one machine, or the fleet of a file.

use crate::{
    args::{Outcome, RunArgs},
    console::{Lines, Moved, Raw},
    exit::{Code, Failure},
    flash,
    monitor::{self, Monitor},
    out::{Stderr, say},
    outputs, places,
    show::{
        Consoles, Patience, Show, Spent, all_lines, capture, code, cut, executor, finish, not_recorded, note,
        prepare,
    },
    subject::{Subject, View, subject},
    terminal::{self, Guests, RawMode, Terminal},
};
use crossterm::tty::IsTty;
use emu_core::Time;
use fleet::{Act, Command, Fleet, record::Header};
use fleet_host::{
    End, HostEvent, Io, Outlet, Plan, Recording, Runner, gdb, io as host_io, pace::Pacer, signals, taps::Tap,
};
use std::io::{self, Read, Write};

/// When piped input begins to be typed. A guest may enable its receiver before anybody reads it: LiteOS-M's shell then
/// loses the first byte's interrupt and never makes room for the next one.
pub const TYPING_STARTS: Time = Time::ms(100);

/// How the outside is connected.
enum Side {
    /// A person at a terminal, who types at a console.
    Terminal,
    /// A person at a terminal, who watches consoles of which none takes what is typed.
    Watched,
    /// Somebody at a pseudo-terminal or a port.
    Elsewhere,
    /// A program at standard input and output, which types as it likes.
    Pipe,
    /// Standard input was read to its end, or is not wanted.
    Batch,
}

/// Runs the command.
pub fn run(args: &RunArgs) -> Result<Code, Failure> {
    let mut spent = Spent::start();
    if args.until.is_some() && args.console.as_deref() == Some("none") {
        return Err(Failure::usage("--until looks at the consoles that are shown: not with --console none"));
    }
    let subject = subject(args)?;
    let taps = places::taps(args, &subject)?;
    let Subject { mut fleet, view, header, inputs, plan: built, naming } = subject;
    let written = [("--record", &args.record), ("--pcap", &args.outcome.pcap)];
    let written = written.map(|(option, path)| (option, path.as_deref()));
    let chips = flash::named(args, &fleet)?;
    let written = written.into_iter().chain(places::files(args)).chain(flash::files(&chips));
    outputs::check(&inputs, &written.collect::<Vec<_>>())?;
    let nodes = fleet.nodes().len();
    patches(&fleet);
    let chips = flash::open(&chips, &mut fleet)?;
    let ports = args.gdb.map(|addr| gdb::bind(addr, nodes)).transpose()?.unwrap_or_default();
    let (send, events) = host_io::events();
    let outlet = Outlet::open(&fleet)?;
    let served = outlet.as_ref().is_some_and(|o| !o.forwards().is_empty());
    for (switch, place) in outlet.iter().flat_map(Outlet::forwards) {
        say!("{switch}: listening on {place}");
    }
    let names: Vec<_> = fleet.nodes().map(|n| &n.name[..]).collect();
    for place in gdb::places(&ports, &names) {
        say!("gdb: {place}");
    }
    let capture = capture(args.outcome.pcap.as_deref(), &mut fleet)?;
    let mut engine = prepare(&args.common, &mut fleet)?;
    if !args.pty {
        note(engine.take()); // as long as the terminal is not ours
    }
    let moved = moved(&taps);
    let typed = view.typed().filter(|typed| !moved.contains(typed));
    let taps = places::open(args, taps, &send)?;
    let side = connect(args, typed, &mut fleet, send.clone())?;
    let person = matches!(side, Side::Terminal | Side::Watched);
    let side = match side {
        Side::Batch | Side::Watched if taps.take_input() => Side::Elsewhere,
        side => side,
    };
    note(engine); // a program reads the terminal's name first
    if person {
        terminal::prepare();
    }
    let io = Io::start(ports, send.clone())?; // from here on signals end the run in order
    // Somebody on the host may connect at any time, and a person may wake who sleeps.
    let live = !matches!(side, Side::Batch | Side::Watched) || served || endless(args, &side);
    let pacer = pacer(args, &side, view == View::Lines, served);
    let plan = Plan {
        end: args.for_.map(Time),
        digest_every: args.common.digest_every,
        typed_to: typed,
        live,
        watched: args.until.is_some(),
        wait_for_debugger: args.gdb_wait,
    };
    let mut show = show(args, person, view, moved.clone(), &fleet);
    show.taps = Some(taps);
    let recording = recording(args, header, &fleet)?;
    let mut runner = Runner::new(fleet, executor(&args.common, nodes), events, pacer, plan);
    runner.recording = recording;
    runner.outlet = outlet;
    runner.capture = capture;
    let raw = person.then(|| RawMode::enter(typed.is_some())).transpose()?;
    if person {
        say!("{}", hello(runner.fleet(), typed));
        show.monitor = Some(Monitor { plan: built, naming, moved });
        host_io::read_on_thread(Terminal, send, terminal::keys);
    }
    spent.built();
    let end = runner.run(&mut show);
    drop(raw); // the terminal is itself again
    drop(show.taps.take());
    match &mut show.consoles {
        Consoles::Raw(raw) if !raw.at_line_start() && io::stdout().is_tty() => say!(""),
        Consoles::Raw(_) => {}
        Consoles::Lines(lines) => lines.finish()?,
    }
    if end == End::Asleep {
        say!("every guest that runs sleeps for ever: nothing is due that could wake one");
    }
    let kept = flash::save(chips, runner.fleet());
    let (view, digest) = finish(&mut runner, &args.outcome, args.common.stats, spent, &mut Stderr)?;
    drop(io); // debuggers have their answers; a signal has ended the wait for a capture's reader
    kept?;
    match &show.failure {
        Some(why) => Err(Failure::input(why)),
        None if end == End::Quit && (args.for_.is_some() || args.until.is_some()) => Ok(cut(digest)),
        None => Ok(code(&view, end, show.found(), args.until.is_some()).unwrap_or(digest)),
    }
}

/// What a person at the terminal should know.
fn hello(fleet: &Fleet, typed: Option<(u32, u16)>) -> String {
    let keyboard = match typed {
        Some(_) if fleet.nodes().len() == 1 => String::new(),
        None if fleet.nodes().len() > 1 => {
            format!("; {} until `console NODE`", monitor::keyboard(fleet, None))
        }
        typed => format!("; {}", monitor::keyboard(fleet, typed)),
    };
    format!("Ctrl-A: monitor (help lists its commands), Ctrl-A x: quit{keyboard}")
}

/// A person watches a fleet that has no end of its own.
fn endless(args: &RunArgs, side: &Side) -> bool {
    matches!(side, Side::Watched) && args.for_.is_none() && args.until.is_none()
}

/// Says what the fleet file changes in images.
fn patches(fleet: &Fleet) {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    for command in fleet.pending() {
        let (Act::Patch { addr, was, bytes }, Some(node)) =
            (&command.act, fleet.nodes().nth(command.node as usize))
        else {
            continue;
        };
        say!("{}: patched at {addr:#010x}: {} -> {}", node.name, hex(was), hex(bytes));
    }
}

/// Begins the recording that the command line asks for.
fn recording(args: &RunArgs, header: Header, fleet: &Fleet) -> Result<Option<Recording>, Failure> {
    let Some(path) = &args.record else { return Ok(None) };
    let unwritable = |e| Failure::input(format!("cannot write {}: {e}", path.display()));
    let file = std::fs::File::create(path).map_err(unwritable)?;
    let recording = Recording::start(Box::new(file), header, fleet);
    Ok(Some(recording.map_err(|e| Failure::input(not_recorded(&e)))?))
}

/// How virtual time keeps to the host's.
fn pacer(args: &RunArgs, side: &Side, lines: bool, served: bool) -> Option<Pacer> {
    // Somebody watches consoles that have no end of their own.
    let watched = lines && args.for_.is_none() && args.until.is_none() && io::stdout().is_tty();
    match (args.speed, side) {
        (Some(speed), _) if speed.is_finite() => Some(Pacer::speed(speed)),
        // A guest that polls for a key is as idle as one that sleeps, and looks busy.
        (None, Side::Terminal) => Some(Pacer::speed(1.0)),
        (None, Side::Watched) if endless(args, side) => Some(Pacer::speed(1.0)),
        (_, Side::Watched) if endless(args, side) => Some(Pacer::idle()),
        (_, Side::Terminal | Side::Elsewhere | Side::Pipe) => Some(Pacer::idle()),
        (None, Side::Batch | Side::Watched) if served && args.for_.is_none() => Some(Pacer::speed(1.0)),
        (None, Side::Batch) if watched => Some(Pacer::idle()),
        (_, Side::Batch | Side::Watched) => None,
    }
}

/// Consoles that are not ours.
fn moved(taps: &[Tap]) -> Moved {
    let of = |tap: &Tap| tap.shown.iter().map(|c| (tap.node, *c)).collect::<Vec<_>>();
    taps.iter().filter(|tap| tap.moves()).flat_map(of).collect()
}

/// Connects the console that takes input.
fn connect(
    args: &RunArgs,
    typed: Option<(u32, u16)>,
    fleet: &mut Fleet,
    events: host_io::EventSender,
) -> Result<Side, Failure> {
    let person = io::stdin().is_tty() && (args.live || io::stdout().is_tty());
    // A shell's background job gets no keys.
    let person = person && !args.no_input && !signals::in_background();
    let Some((node, console)) = typed else {
        return Ok(if person { Side::Watched } else { Side::Batch });
    };
    if args.no_input {
        return Ok(Side::Batch);
    }
    if args.live && !io::stdin().is_tty() {
        host_io::read_on_thread(io::stdin(), events, |b| vec![HostEvent::Typed(b.to_vec())]);
        return Ok(Side::Pipe);
    }
    if person {
        return Ok(Side::Terminal);
    }
    let mut bytes = vec![];
    if !io::stdin().is_tty() {
        if io::stderr().is_tty() {
            say!("standard input is read to its end, then typed at the console (--no-input: not)");
        }
        io::stdin().read_to_end(&mut bytes)?;
    }
    if !args.raw_input {
        bytes = as_typed(&bytes);
    }
    if !bytes.is_empty() {
        fleet.apply(Command::new(TYPING_STARTS, node, Act::Text { console, bytes }));
    }
    Ok(Side::Batch)
}

/// Text as a person would type it: Enter sends a carriage return.
pub fn as_typed(text: &[u8]) -> Vec<u8> {
    let mut typed = Vec::with_capacity(text.len());
    for (i, &b) in text.iter().enumerate() {
        match b {
            b'\n' if i > 0 && text[i - 1] == b'\r' => {}
            b'\n' => typed.push(b'\r'),
            b => typed.push(b),
        }
    }
    typed
}

fn show(args: &RunArgs, person: bool, view: View, moved: Moved, fleet: &Fleet) -> Show {
    let out: Box<dyn Write> = Box::new(Guests::default());
    let until = args.until.as_deref();
    let consoles = match view {
        View::Lines => {
            let names = fleet.nodes().map(|n| n.name.clone()).collect();
            Consoles::Lines(Lines::new(out, names, until).without(moved.clone()))
        }
        View::Raw { node, shown, .. } => {
            Consoles::Raw(Raw::new(out, node, shown, until).without(moved.clone()))
        }
    };
    let Outcome { expect_digest, pcap } = &args.outcome;
    let for_readers = until.is_none() && expect_digest.is_none() && pcap.is_none() && args.record.is_none();
    let patience = Patience::new(until);
    let several = person && fleet.nodes().len() > 1;
    let behind = (several && matches!(consoles, Consoles::Raw(_))).then(|| all_lines(fleet, moved.clone()));
    Show { for_readers, patience, behind, moved, ..Show::of(consoles) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_end_is_one_press_of_enter() {
        assert_eq!(as_typed(b"a\nb\r\nc\rd\n\n"), b"a\rb\rc\rd\r\r");
    }
}
