//! `flotilla run IMAGE`: one machine.

use crate::{
    args::{Common, RunArgs},
    console::Raw,
    exit::{Code, Failure},
    summary,
    terminal::{HELP, Keys, RawMode, Returns},
};
use crossterm::tty::IsTty;
use emu_core::Time;
use fleet::{Act, Command, ConsoleByte, Fleet, FleetView, NodeState};
use fleet_host::{
    End, HostEvent, Io, Note, Plan, Pool, Runner, Watcher, gdb, io as host_io, load, pace::Pacer, pty::Pty,
    usage::cpu_time,
};
use std::{
    io::{self, Read, Write},
    ops::ControlFlow,
    time::Duration,
};

/// How the outside is connected.
enum Side {
    /// A person at a terminal.
    Terminal(RawMode),
    /// A program at a pseudo-terminal.
    Pty(Pty),
    /// Standard input was read to its end.
    Batch,
}

/// Consoles of the machine by number.
struct Consoles {
    shown: Vec<u16>,
    typed: Option<u16>,
}

/// Runs the command.
pub fn run(args: &RunArgs) -> Result<Code, Failure> {
    let started = cpu_time();
    let machine = machine_name(args)?;
    let board = load::board(machine)?;
    let names: Vec<_> = board.machine.bus.fabric.consoles.iter().map(|c| c.name.clone()).collect();
    let consoles = choose(&names, board.info.console.as_deref(), args.console.as_deref())?;
    let firmware = load::firmware(&args.image, args.at)?;
    let name = board.info.name.clone();
    let node = load::node(0, &name, board, &firmware, args.common.seed)?;
    let mut fleet = load::fleet(args.common.seed, args.common.slice, vec![node]);
    let ports = args.gdb.map(|addr| gdb::bind(addr, 1)).transpose()?.unwrap_or_default();

    let (send, events) = host_io::events();
    let io = Io::start(ports, send.clone())?;
    let side = connect(args, &consoles, &mut fleet, send)?;
    let live = !matches!(side, Side::Batch);
    let pacer = match args.speed {
        Some(speed) if speed.is_finite() => Some(Pacer::speed(speed)),
        None if live => Some(Pacer::idle()),
        _ => None,
    };
    let plan = Plan {
        end: args.for_.map(Time),
        digest_every: args.common.digest_every,
        typed_to: consoles.typed.map(|c| (0, c)),
        live,
        wait_for_debugger: args.gdb_wait,
    };
    let raw = matches!(side, Side::Terminal(_));
    let mut show =
        Show { raw: Raw::new(output(&side)?, consoles.shown, args.until.as_deref()), returns: raw };
    let mut runner = Runner::new(fleet, executor(&args.common, 1), events, pacer, plan);
    let end = runner.run(&mut show);
    drop((side, io)); // the terminal is itself again, debuggers have their answers
    if !show.raw.at_line_start() && io::stdout().is_tty() {
        eprintln!();
    }
    let cpu = cpu_time().saturating_sub(started);
    let view = finish(&mut runner, &args.common, cpu, &mut io::stderr())?;
    Ok(code(&view.0, end, show.raw.found, args.until.is_some()).unwrap_or(view.1))
}

fn machine_name(args: &RunArgs) -> Result<&str, Failure> {
    let usual = || load::usual_machine(&args.image);
    args.machine.as_deref().or_else(usual).ok_or_else(|| {
        // A catalogue name that is wrong is the image's problem, not the machine's.
        match load::firmware(&args.image, args.at) {
            Err(e) => e.into(),
            Ok(_) => Failure::usage("an image from a file needs --machine NAME (see `flotilla machines`)"),
        }
    })
}

/// The executor that the command line asks for; `useful` threads at most help.
pub fn executor(common: &Common, useful: usize) -> Box<dyn fleet::Executor> {
    let host = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = common.threads.map_or(host.min(useful), usize::from);
    Box::new(Pool::new(threads))
}

/// Prints the summary; the code says whether the digest is the expected one.
pub fn finish(
    runner: &mut Runner,
    common: &Common,
    cpu: Duration,
    out: &mut dyn Write,
) -> Result<(std::sync::Arc<FleetView>, Code), Failure> {
    let view = runner.fleet().view();
    let digest = runner.fleet().digest();
    for line in summary::ends(&view) {
        writeln!(out, "{line}")?;
    }
    summary::write(out, &view, cpu, digest)?;
    let code = match common.expect_digest {
        Some(wanted) if wanted != digest => {
            writeln!(out, "the digest is not {wanted:032x}")?;
            Code::Digest
        }
        _ => Code::Ok,
    };
    Ok((view, code))
}

/// How the run went, unless it went well.
pub fn code(view: &FleetView, end: End, found: bool, searched: bool) -> Option<Code> {
    let any = |bad: fn(&NodeState) -> bool| view.nodes.iter().any(|n| bad(&n.state));
    if found {
        return None;
    }
    if any(|s| matches!(s, NodeState::LockedUp { .. })) {
        return Some(Code::Lockup);
    }
    if any(|s| matches!(s, NodeState::Exited { code } if *code != 0)) {
        return Some(Code::Failed);
    }
    if searched {
        let why = match end {
            End::TimeUp => "time is up",
            End::Stopped => "the guest has ended itself",
            End::Asleep => "the guest sleeps for ever",
            End::Quit | End::Seen => "the run was ended",
        };
        eprintln!("error: --until's text was not printed: {why}");
        return Some(Code::TimeOut);
    }
    None
}

/// Which consoles to show, and at which to type.
fn choose(names: &[String], usual: Option<&str>, wanted: Option<&str>) -> Result<Consoles, Failure> {
    let number = |name: &str| names.iter().position(|n| n == name).map(|i| i as u16);
    let usual = usual.and_then(number).or((!names.is_empty()).then_some(0));
    match wanted {
        None => {
            let semihost = number("semihost").filter(|n| Some(*n) != usual);
            Ok(Consoles { shown: usual.into_iter().chain(semihost).collect(), typed: usual })
        }
        Some("none") => Ok(Consoles { shown: vec![], typed: None }),
        Some("all") => Ok(Consoles { shown: (0..names.len() as u16).collect(), typed: usual }),
        Some(name) => match number(name) {
            Some(n) => Ok(Consoles { shown: vec![n], typed: Some(n) }),
            None => {
                let known = names.join(", ");
                Err(Failure::input(format!("no console is called `{name}`; there are: {known}, none, all")))
            }
        },
    }
}

/// Connects the console that takes input.
fn connect(
    args: &RunArgs,
    consoles: &Consoles,
    fleet: &mut Fleet,
    events: host_io::EventSender,
) -> Result<Side, Failure> {
    if args.pty {
        let pty = Pty::open()?;
        println!("console: {}", pty.name().display());
        host_io::read_on_thread(pty.ours.try_clone()?, events, |b| vec![HostEvent::Typed(b.to_vec())]);
        return Ok(Side::Pty(pty));
    }
    let Some(typed) = consoles.typed else { return Ok(Side::Batch) };
    if io::stdin().is_tty() {
        let mode = RawMode::enter()?;
        let mut keys = Keys::default();
        let help = || {
            let _ = Returns::new(io::stderr()).write_all(HELP.as_bytes());
        };
        host_io::read_on_thread(io::stdin(), events, move |b| keys.take(b, help));
        return Ok(Side::Terminal(mode));
    }
    let mut bytes = vec![];
    io::stdin().read_to_end(&mut bytes)?;
    if !bytes.is_empty() {
        fleet.apply(Command::new(Time::ZERO, 0, Act::Text { console: typed, bytes }));
    }
    Ok(Side::Batch)
}

fn output(side: &Side) -> Result<Box<dyn Write>, Failure> {
    Ok(match side {
        Side::Terminal(_) if io::stdout().is_tty() => Box::new(Returns::new(io::stdout())),
        Side::Terminal(_) | Side::Batch => Box::new(io::stdout()),
        Side::Pty(pty) => Box::new(pty.ours.try_clone()?),
    })
}

/// Shows the console's bytes, and digests on standard error.
struct Show {
    raw: Raw,
    returns: bool,
}

impl Watcher for Show {
    fn console(&mut self, bytes: &[ConsoleByte]) -> ControlFlow<()> {
        self.raw.show(bytes)
    }
    fn note(&mut self, _: &Fleet, note: Note) {
        if let Note::Digest(at, digest) = note {
            let end = if self.returns { "\r\n" } else { "\n" };
            eprint!("digest at {at}: {digest:032x}{end}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wanted: Option<&str>) -> Option<(Vec<u16>, Option<u16>)> {
        let names = ["uart0", "uart1", "semihost"].map(String::from);
        choose(&names, Some("uart1"), wanted).ok().map(|c| (c.shown, c.typed))
    }

    #[test]
    fn consoles_by_name() {
        assert_eq!(chosen(None), Some((vec![1, 2], Some(1))));
        assert_eq!(chosen(Some("uart0")), Some((vec![0], Some(0))));
        assert_eq!(chosen(Some("none")), Some((vec![], None)));
        assert_eq!(chosen(Some("all")), Some((vec![0, 1, 2], Some(1))));
        assert_eq!(chosen(Some("uart9")), None);
    }
}
