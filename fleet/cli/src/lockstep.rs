//! `flotilla lockstep`: a machine beside Unicorn, in builds that have it.

use crate::{
    args::LockstepArgs,
    exit::{Code, Failure},
};

/// Runs the command.
#[cfg(not(feature = "unicorn"))]
pub fn lockstep(_: &LockstepArgs) -> Result<Code, Failure> {
    let message = "this build has no Unicorn to compare with, which is GPL-2.0 and built only when asked for: \
        cargo build --release -p flotilla --features unicorn (needs cmake, pkg-config and libclang)";
    Err(Failure { message: message.into(), code: Code::NotBuilt })
}

#[cfg(feature = "unicorn")]
pub use beside::lockstep;

#[cfg(feature = "unicorn")]
mod beside {
    use super::*;
    use crate::{
        out::{Stderr, Stdout},
        run::{TYPING_STARTS, as_typed},
        subject::{machine_name, one},
        summary::{self, thousands},
    };
    use crossterm::tty::IsTty;
    use emu_core::{Machine, Time, cpu::Engine, machine::Exit};
    use emu_unicorn::lockstep::{Difference, Lockstep, Outcome, Step, Subject, Tally};
    use fleet::{Act, Command, Fleet, FleetExit, Serial};
    use fleet_host::{load, usage::cpu_time};
    use std::io::{self, Read, Write};

    /// Virtual time, unless an end is given.
    const USUAL: u64 = 1_000_000_000;
    /// Steps between two looks at the console.
    const ROUND: u32 = 4096;

    /// The only node.
    const NODE: u32 = 0;

    /// A fleet of one node that is stepped.
    struct One {
        fleet: Fleet,
        end: Time,
        exit: FleetExit,
    }

    impl Subject for One {
        fn machine(&mut self) -> &mut Machine {
            &mut self.fleet.node_mut(NODE).expect("the fleet has one node").machine
        }

        fn step(&mut self) -> Step {
            let machine = self.machine();
            let quiet = machine.next_event() > machine.next_activity();
            let now = self.fleet.now();
            self.exit = self.fleet.step(NODE, self.end, &Serial);
            match self.exit {
                // Media deliver at the end of an epoch.
                FleetExit::Stopped { exit: Exit::Stepped(_), .. } => {
                    Step::Ran { alone: quiet && self.fleet.now() == now }
                }
                _ => Step::Ended,
            }
        }
    }

    /// How it ended.
    enum End {
        Differs(Box<Difference>),
        Ran,
    }

    /// Runs the command.
    pub fn lockstep(args: &LockstepArgs) -> Result<Code, Failure> {
        let started = cpu_time();
        let mut one = subject(args)?;
        let failed = |e: emu_unicorn::lockstep::Error| Failure::input(e.to_string());
        let mut beside = Lockstep::new(one.machine()).map_err(failed)?;
        let most = args.instructions.unwrap_or(u64::MAX);
        let end = run(&mut one, &mut beside, most).map_err(failed)?;
        let cpu = cpu_time().saturating_sub(started);
        finish(&mut one, &beside, &end, cpu)
    }

    fn subject(args: &LockstepArgs) -> Result<One, Failure> {
        let board = load::board(machine_name(args.machine.as_deref(), &args.image, args.at)?)?;
        let firmware = load::firmware_for(&board, &args.image, args.at)?;
        let names: Vec<_> = board.machine.bus.fabric.consoles.iter().map(|c| c.name.clone()).collect();
        let console = board.info.console.as_ref().and_then(|usual| names.iter().position(|n| n == usual));
        let mut fleet = one(board, &firmware, args.seed, None)?;
        fleet.set_engine(Engine::Interpreter);
        let mut bytes = vec![];
        if !io::stdin().is_tty() {
            io::stdin().read_to_end(&mut bytes)?;
        }
        if !bytes.is_empty() && !names.is_empty() {
            let act = Act::Text { console: console.unwrap_or(0) as u16, bytes: as_typed(&bytes) };
            fleet.apply(Command::new(TYPING_STARTS, NODE, act));
        }
        Ok(One { fleet, end: Time(args.for_.unwrap_or(USUAL)), exit: FleetExit::Reached })
    }

    fn run(one: &mut One, beside: &mut Lockstep, most: u64) -> Result<End, emu_unicorn::lockstep::Error> {
        loop {
            for _ in 0..ROUND {
                if one.machine().retired() >= most {
                    return Ok(End::Ran);
                }
                match beside.step(one)? {
                    Outcome::Same => {}
                    Outcome::Differs(difference) => return Ok(End::Differs(difference)),
                    Outcome::Ended => return Ok(End::Ran),
                }
            }
            print(&mut one.fleet);
        }
    }

    fn print(fleet: &mut Fleet) {
        let bytes: Vec<u8> = fleet.take_console().iter().map(|b| b.byte).collect();
        // Nobody may read any more; the comparison goes on all the same.
        let _ = Stdout.write_all(&bytes).and_then(|()| Stdout.flush());
    }

    fn finish(
        one: &mut One,
        beside: &Lockstep,
        end: &End,
        cpu: std::time::Duration,
    ) -> Result<Code, Failure> {
        print(&mut one.fleet);
        let mut out = Stderr;
        tally(&mut out, beside)?;
        if let End::Differs(d) = end {
            let place = one.fleet.nodes().next().map_or(String::new(), |n| n.firmware.place(d.pc));
            write!(out, "{}", d.show(&place))?;
            return Ok(Code::Digest);
        }
        // A sleeper stays where it fell asleep.
        let now = one.machine().now().max(one.fleet.now());
        writeln!(out, "no difference up to {now} s, host CPU {:.3} s", cpu.as_secs_f64())?;
        for line in summary::ends(&one.fleet.view()) {
            writeln!(out, "{line}")?;
        }
        // In the middle of an epoch the fleet has no digest that another run could have.
        if one.fleet.between_epochs() {
            writeln!(out, "digest: {:032x}", one.fleet.digest())?;
        }
        Ok(match one.exit {
            FleetExit::Exited { code, .. } if code != 0 => Code::Failed,
            FleetExit::Stopped { exit: Exit::Lockup(..), .. } => Code::Lockup,
            _ => Code::Ok,
        })
    }

    fn tally(out: &mut dyn Write, beside: &Lockstep) -> io::Result<()> {
        let tally: &Tally = beside.tally();
        let (compared, left) = (thousands(tally.compared), thousands(tally.left_out()));
        writeln!(out, "{compared} instructions compared with Unicorn's {}, {left} not:", beside.oracle())?;
        let mut reasons: Vec<_> = tally.skipped.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in reasons {
            writeln!(out, "  {:>11} x {reason}", thousands(*count))?;
        }
        Ok(())
    }
}
