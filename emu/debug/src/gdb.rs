//! gdb's remote protocol for one CPU: bytes in, bytes and events out.

use std::collections::VecDeque;
use std::convert::Infallible;

use gdbstub::common::Signal;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, GdbStubError, SingleThreadStopReason};

use crate::stub::{Output, Session};
use crate::writes::{Passed, Writes, framed};
use crate::{DebugTarget, Points};

/// How the CPU is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Until something stops it.
    Continue,
    /// One instruction.
    Step,
    /// Step until the program counter is outside `start..end`; stop there and at every breakpoint.
    Range {
        /// First address.
        start: u64,
        /// Behind the last.
        end: u64,
    },
}

/// Why the CPU stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It stands at a breakpoint, gdb's or one of the guest's own.
    Breakpoint,
    /// It accessed watched memory.
    Watch {
        /// The first watched byte that was accessed.
        addr: u64,
        /// Written, as against read.
        write: bool,
    },
    /// The step or range is done.
    Step,
    /// As gdb (or a person) asked.
    Interrupt,
    /// It locked up and does nothing until a reset.
    Lockup,
    /// The guest ended itself, or its time is over.
    Exited(u8),
}

/// How a session ended. Its breakpoints are gone by then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// gdb let go of the node, which runs on.
    Detach,
    /// gdb wants the node gone.
    Kill,
    /// The guest exited and gdb has been told.
    Exited,
    /// gdb sent something that is not the protocol.
    Protocol(String),
}

/// What the caller has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Run the CPU; then call [`GdbServer::report`].
    Resume(Resume),
    /// Stop the running CPU; then call [`GdbServer::report`] with [`StopReason::Interrupt`].
    Interrupt,
    /// Close the connection.
    Ended(End),
}

/// Room for one packet; gdb moves memory in pieces of half of it.
pub(crate) const PACKET_SIZE: usize = 0x4000;

type Stub<D> = GdbStubStateMachine<'static, Session<D>, Output>;
type Step<D> = Result<Stub<D>, GdbStubError<Infallible, Infallible>>;

/// One connection of one gdb to one CPU.
///
/// The CPU must stand still from before the first [`feed`](Self::feed) until [`Event::Resume`], and again after
/// each [`report`](Self::report): gdb looks at it and changes it meanwhile. The server owns its target, a handle
/// by which it reaches the machine; a caller that needs the machine itself between calls gives the handle an
/// `Option` and lends it for each call through [`target_mut`](Self::target_mut).
pub struct GdbServer<D: DebugTarget> {
    session: Session<D>,
    /// `None` before the first byte and after the end.
    stub: Option<Stub<D>>,
    writes: Writes,
    started: bool,
    running: bool,
    events: VecDeque<Event>,
    output: Vec<u8>,
}

impl<D: DebugTarget> GdbServer<D> {
    /// For a connection that has just been accepted.
    pub fn new(target: D) -> Self {
        let points = Points::default();
        let session = Session { target, points, resume: None, extended: false, refuse: false };
        let (events, output) = (VecDeque::new(), Vec::new());
        let writes = Writes::default();
        GdbServer { session, stub: None, writes, started: false, running: false, events, output }
    }

    /// The target.
    pub fn target(&self) -> &D {
        &self.session.target
    }

    /// The target, to lend it something.
    pub fn target_mut(&mut self) -> &mut D {
        &mut self.session.target
    }

    /// gdb waits for the CPU to stop.
    pub fn is_running(&self) -> bool {
        self.running
    }

    /// Takes what has to be sent to gdb.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Takes the next thing that the caller has to do.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes bytes from gdb, in pieces of any size.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.started {
            self.started = true;
            let stub = GdbStub::builder(Output::default()).packet_buffer_size(PACKET_SIZE).build();
            // Building fails only for a buffer that is lent and too small.
            self.stub = stub.ok().and_then(|stub| stub.run_state_machine(&mut self.session).ok());
        }
        for &byte in bytes {
            match self.writes.pass(byte) {
                Passed::Held => {}
                Passed::Bytes(bytes) => self.hand_on(&bytes),
                Passed::Refused(bytes) => {
                    self.session.refuse = true;
                    self.hand_on(&bytes);
                    self.session.refuse = false;
                }
            }
        }
    }

    fn hand_on(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            let next = match self.stub.take() {
                Some(GdbStubStateMachine::Idle(stub)) => stub.incoming_data(&mut self.session, byte),
                Some(GdbStubStateMachine::Running(stub)) => stub.incoming_data(&mut self.session, byte),
                Some(other) => Ok(other),
                None => return,
            };
            self.settle(next);
        }
    }

    /// Tells gdb why the CPU stopped. Without effect if gdb does not wait for that.
    pub fn report(&mut self, reason: StopReason) {
        match self.stub.take() {
            Some(GdbStubStateMachine::Running(stub)) => {
                let reason = self.stop_reason(reason);
                self.running = false;
                let next = stub.report_stop(&mut self.session, reason);
                self.settle(next);
            }
            other => self.stub = other,
        }
    }

    /// Shows a line to whoever waits at gdb for the CPU to stop. Without effect if gdb does not wait.
    pub fn tell(&mut self, text: &str) {
        if self.running {
            let hex: String = text.bytes().chain([b'\n']).map(|b| format!("{b:02x}")).collect();
            self.output.extend(framed(format!("O{hex}").as_bytes()));
        }
    }

    /// The connection is gone: takes gdb's breakpoints away.
    pub fn hang_up(&mut self) {
        self.stub = None;
        self.started = true;
        self.running = false;
        self.session.clear_points();
    }

    fn stop_reason(&mut self, reason: StopReason) -> SingleThreadStopReason<u64> {
        let trap = SingleThreadStopReason::Signal(Signal::SIGTRAP);
        match reason {
            StopReason::Breakpoint => {
                let pc = self.session.target.arch().pc;
                match self.session.points.break_at(self.session.target.read_reg(pc)) {
                    Some(crate::PointKind::Hardware) => SingleThreadStopReason::HwBreak(()),
                    Some(_) => SingleThreadStopReason::SwBreak(()),
                    None => trap,
                }
            }
            StopReason::Watch { addr, write } => match self.session.points.watch_at(addr, write) {
                Some(kind) => SingleThreadStopReason::Watch { tid: (), kind, addr },
                None => trap,
            },
            StopReason::Step => SingleThreadStopReason::DoneStep,
            StopReason::Interrupt => SingleThreadStopReason::Signal(Signal::SIGINT),
            StopReason::Lockup => SingleThreadStopReason::Signal(Signal::SIGABRT),
            StopReason::Exited(code) => SingleThreadStopReason::Exited(code),
        }
    }

    /// Leaves the states in which `gdbstub` waits for us, and collects what came out.
    fn settle(&mut self, next: Step<D>) {
        let mut stub = match next {
            Ok(stub) => stub,
            Err(error) => return self.end(End::Protocol(error.to_string())),
        };
        self.output.append(&mut connection(&mut stub).0);
        if let Some(resume) = self.session.resume.take() {
            self.running = true;
            self.events.push_back(Event::Resume(resume));
        }
        match stub {
            GdbStubStateMachine::CtrlCInterrupt(stub) => {
                // An interrupt that arrives when the CPU stands already is late, and has no effect.
                if self.running {
                    self.events.push_back(Event::Interrupt);
                }
                let reported = None::<SingleThreadStopReason<u64>>;
                let next = stub.interrupt_handled(&mut self.session, reported);
                self.settle(next);
            }
            GdbStubStateMachine::Disconnected(stub) => match stub.get_reason() {
                // In extended mode gdb stays, and may `run` again.
                DisconnectReason::TargetExited(_) if self.session.extended => {
                    self.stub = Some(stub.return_to_idle());
                }
                DisconnectReason::Disconnect => self.end(End::Detach),
                DisconnectReason::Kill => self.end(End::Kill),
                DisconnectReason::TargetExited(_) | DisconnectReason::TargetTerminated(_) => {
                    self.end(End::Exited)
                }
            },
            stub => self.stub = Some(stub),
        }
    }

    fn end(&mut self, end: End) {
        self.hang_up();
        self.events.push_back(Event::Ended(end));
    }
}

fn connection<D: DebugTarget>(stub: &mut Stub<D>) -> &mut Output {
    match stub {
        GdbStubStateMachine::Idle(s) => s.borrow_conn(),
        GdbStubStateMachine::Running(s) => s.borrow_conn(),
        GdbStubStateMachine::CtrlCInterrupt(s) => s.borrow_conn(),
        GdbStubStateMachine::Disconnected(s) => s.borrow_conn(),
    }
}
