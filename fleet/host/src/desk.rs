//! Debuggers on a fleet that something else runs: a scenario, or a replay.

use crate::{
    gdb::{Debuggers, Place},
    io::HostEvent,
    signals,
};
use crossbeam::channel::Receiver;
use emu_core::{Time, machine::Exit};
use emu_debug::StopReason;
use fleet::{Executor, Fleet, FleetExit};
use netsim::RadioConfig;
use std::time::Duration;

/// From one look at the outside to the next.
const NAP: Duration = Duration::from_millis(20);

/// See the module's documentation.
pub struct Desk {
    events: Receiver<HostEvent>,
    debuggers: Debuggers,
    /// A debugger is to come before the first instruction.
    waits: bool,
    /// What was said last, for people.
    pub said: Option<String>,
}

impl Desk {
    /// `waits`: nothing runs before a debugger has connected.
    pub fn new(events: Receiver<HostEvent>, waits: bool) -> Desk {
        Desk { events, debuggers: Debuggers::default(), waits, said: None }
    }

    /// Runs `fleet` to `to` as the debuggers let it. What stops a node for a debugger is dealt with here; a debugger that
    /// kills, like a signal, interrupts.
    pub fn run(&mut self, fleet: &mut Fleet, to: Time, executor: &dyn Executor) -> FleetExit {
        // A session holds what it works on; for the time of the call that is the fleet.
        let nobody = Fleet::new(0, RadioConfig::default());
        let mut place: Place = Some(Box::new(std::mem::replace(fleet, nobody)));
        let exit = self.run_at(&mut place, to, executor);
        if let Some(back) = place {
            *fleet = *back;
        }
        exit
    }

    fn run_at(&mut self, place: &mut Place, to: Time, executor: &dyn Executor) -> FleetExit {
        loop {
            if !self.attend(place) {
                return FleetExit::Interrupted;
            }
            let Some(fleet) = place.as_mut() else { return FleetExit::Interrupted };
            let exit = match self.debuggers.stepping() {
                Some(node) => fleet.step(node, to, executor),
                None => fleet.run_until(to, executor),
            };
            let FleetExit::Stopped { node, exit: stop } = exit else { return exit };
            match stop {
                Exit::Break(_) => self.debuggers.stopped(place, node, StopReason::Breakpoint),
                Exit::Watch(_, addr, write) => {
                    self.debuggers.stopped(place, node, StopReason::Watch { addr, write });
                }
                Exit::Stepped(_) => self.debuggers.stepped(place, node),
                Exit::Lockup(..) => {
                    self.debuggers.stopped(place, node, StopReason::Lockup);
                    self.attend(place); // somebody may want to look at it
                    return exit;
                }
                Exit::Reached | Exit::Held | Exit::Semihost(_) | Exit::Ended(_) => return exit,
            }
        }
    }

    /// Does what debuggers want, as long as one of them holds a node. `false`: the run is to end.
    fn attend(&mut self, place: &mut Place) -> bool {
        loop {
            while let Ok(event) = self.events.try_recv() {
                self.debuggers.event(place, event);
            }
            if let Some(text) = self.debuggers.said.take() {
                self.said = Some(text);
            }
            if self.debuggers.killed || signals::received().is_some() {
                return false;
            }
            self.waits &= !self.debuggers.any();
            if !self.waits && !self.debuggers.holds() {
                return true;
            }
            if let Ok(event) = self.events.recv_timeout(NAP) {
                self.debuggers.event(place, event);
            }
        }
    }

    /// A debugger asked for the end of the run.
    pub fn killed(&self) -> bool {
        self.debuggers.killed
    }

    /// The run is over: debuggers are told.
    pub fn close(mut self, fleet: &mut Fleet, code: u8) {
        let nobody = Fleet::new(0, RadioConfig::default());
        let mut place: Place = Some(Box::new(std::mem::replace(fleet, nobody)));
        let nodes = place.as_ref().map_or(0, |f| f.nodes().len() as u32);
        for node in 0..nodes {
            self.debuggers.stopped(&mut place, node, StopReason::Exited(code));
        }
        if let Some(back) = place {
            *fleet = *back;
        }
    }
}
