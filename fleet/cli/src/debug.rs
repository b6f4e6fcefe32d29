//! `--gdb` and `--pcap` of runs that are driven by something else than a person: `flotilla test` and `flotilla replay`.

use crate::{args::DebugArgs, exit::Failure, out::say, show::capture};
use emu_core::Time;
use fleet::{Executor, Fleet, FleetExit};
use fleet_host::{Capture, Desk, Io, gdb, io as host_io};

/// The debuggers and the capture of one run.
#[derive(Default)]
pub struct Debug {
    desk: Option<(Desk, Io)>,
    capture: Option<Capture>,
    /// Why the capture cannot be written.
    pub failure: Option<String>,
}

impl Debug {
    /// Opens what the command line asks for.
    pub fn open(args: &DebugArgs, fleet: &mut Fleet) -> Result<Debug, Failure> {
        let capture = capture(args.pcap.as_deref(), fleet)?;
        let desk = args.gdb.map(|addr| -> Result<_, Failure> {
            let ports = gdb::bind(addr, fleet.nodes().len())?;
            let names: Vec<_> = fleet.nodes().map(|n| &n.name[..]).collect();
            for place in gdb::places(&ports, &names) {
                say!("gdb: {place}");
            }
            let (send, events) = host_io::events();
            let io = Io::start(ports, send)?;
            Ok((Desk::new(events, true), io))
        });
        Ok(Debug { desk: desk.transpose()?, capture, failure: None })
    }

    /// Runs the fleet to `to` as debuggers let it, if there are any.
    pub fn run(
        &mut self,
        fleet: &mut Fleet,
        to: Time,
        executor: &dyn Executor,
        alone: impl Fn(&mut Fleet) -> FleetExit,
    ) -> FleetExit {
        let exit = match &mut self.desk {
            None => alone(fleet),
            Some((desk, _)) => {
                let exit = desk.run(fleet, to, executor);
                if let Some(text) = desk.said.take() {
                    say!("gdb: {text}");
                }
                exit
            }
        };
        if let Some(capture) = &mut self.capture
            && let Err(e) = capture.take(fleet)
        {
            self.capture = None;
            self.failure = Some(format!("cannot write what is on the air: {e}"));
        }
        exit
    }

    /// gdb may connect.
    pub fn debugs(&self) -> bool {
        self.desk.is_some()
    }

    /// A debugger asked for the end.
    pub fn killed(&self) -> bool {
        self.desk.as_ref().is_some_and(|(desk, _)| desk.killed())
    }

    /// The run is over, with this code for debuggers that are still there.
    pub fn close(&mut self, fleet: &mut Fleet, code: u8) {
        if let Some((desk, io)) = self.desk.take() {
            desk.close(fleet, code);
            drop(io);
        }
        if let Some(Err(e)) = self.capture.take().map(|c| c.finish(fleet)) {
            self.failure = Some(format!("cannot write what is on the air: {e}"));
        }
    }
}
