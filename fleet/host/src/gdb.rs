//! gdb on the nodes of a fleet: one port and one session a node.
//!
//! While any session's node stands still, the whole fleet does, in virtual time. The sessions own nothing of the
//! fleet: it is lent to a session for each call and taken back.
//!
//! ## Not modelled
//! - One gdb for the whole fleet, and reverse execution: each session is one node, forwards.
//! - Only the first CPU of a node.

use crate::io::HostEvent;
use emu_core::{cpu::Arch, device::ResetKind};
use emu_debug::{DebugTarget, End, Event, GdbServer, Points, Resume, StopReason};
use fleet::{Act, Command, Fleet, Node};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener},
};
use tokio::sync::mpsc;

/// What the runner keeps the fleet in: empty only while a session has it.
pub type Place = Option<Box<Fleet>>;

/// Listens on `addr` for node 0 and on the following ports for the others.
pub fn bind(addr: SocketAddr, nodes: usize) -> Result<Vec<TcpListener>, crate::InputError> {
    let port = |i: usize| -> std::io::Result<TcpListener> {
        let number = usize::from(addr.port()) + if addr.port() == 0 { 0 } else { i };
        let number = u16::try_from(number).map_err(|_| std::io::Error::other("there is no such port"))?;
        TcpListener::bind((addr.ip(), number))
    };
    let listen = |i| {
        let place = SocketAddr::new(addr.ip(), addr.port().saturating_add(i as u16));
        port(i).map_err(|source| crate::InputError::Listen { addr: place.to_string(), source })
    };
    (0..nodes).map(listen).collect()
}

/// Where gdb connects to which node, a line for each; of many nodes on consecutive ports the first and the last.
pub fn places(ports: &[TcpListener], names: &[&str]) -> Vec<String> {
    let line = |(port, name): (&TcpListener, &&str)| Some(format!("{name} on {}", port.local_addr().ok()?));
    let all: Vec<_> = ports.iter().zip(names).filter_map(line).collect();
    let numbers: Vec<_> = ports.iter().filter_map(|p| Some(p.local_addr().ok()?.port())).collect();
    let in_turn = numbers.windows(2).all(|w| w[1].checked_sub(w[0]) == Some(1));
    match &all[..] {
        [first, .., last] if in_turn && all.len() > MOST_LINES => {
            vec![first.clone(), format!("({} more)", all.len() - 2), last.clone()]
        }
        _ => all,
    }
}

/// More nodes than this are not told one by one.
const MOST_LINES: usize = 16;

/// By which a session reaches its node.
struct Handle {
    fleet: Place,
    node: u32,
    arch: &'static Arch,
}

impl Handle {
    fn node(&mut self) -> Option<&mut Node> {
        self.fleet.as_mut()?.node_mut(self.node)
    }

    /// Goes through the journal, so that a session replays.
    fn apply(&mut self, act: Act) -> bool {
        let Some(fleet) = &mut self.fleet else { return false };
        let command = Command::new(fleet.now(), self.node, act);
        fleet.apply_stopped(command)
    }
}

impl DebugTarget for Handle {
    fn arch(&self) -> &'static Arch {
        self.arch
    }
    fn read_reg(&mut self, n: usize) -> u64 {
        self.node().map_or(0, |node| node.machine.cpu(0).reg(n))
    }
    fn write_reg(&mut self, n: usize, value: u64) -> bool {
        let Ok(reg) = u16::try_from(n) else { return false };
        self.apply(Act::WriteRegister { reg, value })
    }
    fn read_mem(&mut self, addr: u64, out: &mut [u8]) -> usize {
        self.fleet.as_mut().map_or(0, |fleet| fleet.debug_read(self.node, addr, out))
    }
    fn write_mem(&mut self, addr: u64, bytes: &[u8]) -> bool {
        // All or nothing: half a write would be done, and refused.
        if self.read_mem(addr, &mut vec![0; bytes.len()]) < bytes.len() {
            return false;
        }
        self.apply(Act::WriteMemory { addr, bytes: bytes.to_vec() })
    }
    fn set_points(&mut self, points: &Points) {
        let Some(node) = self.node() else { return };
        node.machine.bus.breakpoints = points.breakpoints();
        node.machine.bus.fabric.mem.set_watches(points.watches());
    }
    fn reset(&mut self) {
        self.apply(Act::Reset(ResetKind::PowerOn));
    }
    fn monitor(&mut self, command: &str) -> Option<String> {
        let node = self.node()?;
        match command {
            "time" => Some(format!("{} s\n", node.now())),
            "mistakes" => {
                let line = |(_, what, stat): (_, &emu_core::diag::Mistake, &emu_core::diag::Stat)| {
                    format!("{} times since {}: {what}\n", stat.count, stat.first)
                };
                let all: String = node.machine.bus.fabric.errors.iter().map(line).collect();
                Some(if all.is_empty() { "none\n".into() } else { all })
            }
            _ => None,
        }
    }
    fn monitor_help(&self) -> &'static [(&'static str, &'static str)] {
        &[("time", "the node's virtual time"), ("mistakes", "what the guest did wrong so far")]
    }
}

struct Session {
    server: GdbServer<Handle>,
    output: mpsc::Sender<Vec<u8>>,
    resume: Resume,
}

/// All sessions.
#[derive(Default)]
pub struct Debuggers {
    sessions: BTreeMap<u32, Session>,
    /// A debugger asked for the end of the run.
    pub killed: bool,
    /// Nodes that stand, as was told to debuggers that wait for theirs.
    told: BTreeSet<u32>,
    /// What was told last, for people.
    pub said: Option<String>,
}

impl Debuggers {
    /// Somebody looks at a node that stands still.
    pub fn holds(&self) -> bool {
        self.sessions.values().any(|s| !s.server.is_running())
    }

    /// Somebody is connected.
    pub fn any(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// A node that is to execute one instruction.
    pub fn stepping(&self) -> Option<u32> {
        let steps = |s: &Session| s.server.is_running() && s.resume != Resume::Continue;
        self.sessions.iter().find(|(_, s)| steps(s)).map(|(n, _)| *n)
    }

    /// Takes what a debugger did; other events are none of ours.
    pub fn event(&mut self, place: &mut Place, event: HostEvent) {
        match event {
            HostEvent::Connected(node, output) => {
                let arch = place.as_mut().and_then(|f| Some(f.node_mut(node)?.machine.cpu(0).arch()));
                let Some(arch) = arch else { return };
                let server = GdbServer::new(Handle { fleet: None, node, arch });
                self.sessions.insert(node, Session { server, output, resume: Resume::Continue });
            }
            HostEvent::Debugger(node, bytes) => self.with(place, node, |s| s.feed(&bytes)),
            HostEvent::Closed(node) => {
                self.with(place, node, GdbServer::hang_up);
                self.sessions.remove(&node);
            }
            HostEvent::Typed(_)
            | HostEvent::TypedAt { .. }
            | HostEvent::Line(_)
            | HostEvent::Quit
            | HostEvent::Pause => {}
        }
        self.tell(place);
    }

    /// A debugger that waits for its node learns that another one's stands still, and virtual time with it.
    fn tell(&mut self, place: &Place) {
        let sessions = || self.sessions.iter();
        let goes_on = |s: &Session| s.server.is_running() && s.resume == Resume::Continue;
        let standing: BTreeSet<u32> =
            sessions().filter(|(_, s)| !s.server.is_running()).map(|(n, _)| *n).collect();
        self.told.retain(|n| self.sessions.get(n).is_some_and(|s| !goes_on(s)));
        let waits = sessions().any(|(_, s)| goes_on(s));
        if !waits || standing.is_subset(&self.told) {
            return;
        }
        let name = |n: &u32| place.as_ref().and_then(|f| Some(f.nodes().nth(*n as usize)?.name.clone()));
        let names: Vec<_> = standing.iter().filter_map(name).collect();
        let text = format!("virtual time stands still: another gdb holds {}", names.join(", "));
        for session in self.sessions.values_mut().filter(|s| goes_on(s)) {
            session.server.tell(&text);
            let _ = session.output.try_send(session.server.take_output()); // a gdb that does not read learns it late
        }
        self.told.extend(standing);
        self.said = Some(text);
    }

    /// Tells a node's debugger, if there is one, why the node stopped.
    pub fn stopped(&mut self, place: &mut Place, node: u32, reason: StopReason) {
        self.with(place, node, |s| s.report(reason));
        self.tell(place);
    }

    /// A step is done; a stepped range may want another.
    pub fn stepped(&mut self, place: &mut Place, node: u32) {
        let pc = place.as_mut().and_then(|f| Some(f.node_mut(node)?.machine.cpu(0).pc()));
        let inside = self.sessions.get(&node).zip(pc).is_some_and(|(s, pc)| match s.resume {
            Resume::Range { start, end } => (start..end).contains(&pc),
            _ => false,
        });
        if !inside {
            self.stopped(place, node, StopReason::Step);
        }
    }

    /// Lends the fleet to a node's session, does what the session wants, and takes the fleet back.
    fn with(&mut self, place: &mut Place, node: u32, act: impl FnOnce(&mut GdbServer<Handle>)) {
        let Some(Session { server, output, resume }) = self.sessions.get_mut(&node) else { return };
        server.target_mut().fleet = place.take();
        act(server);
        let mut over = false;
        while let Some(event) = server.next_event() {
            match event {
                Event::Resume(how) => *resume = how,
                Event::Interrupt => server.report(StopReason::Interrupt),
                Event::Ended(end) => {
                    over = true;
                    self.killed |= end == End::Kill;
                }
            }
        }
        *place = server.target_mut().fleet.take();
        let bytes = server.take_output();
        // gdb waits for answers, so the channel is full only if nobody reads it any more.
        if !bytes.is_empty() && output.try_send(bytes).is_err() {
            over = true;
        }
        if over {
            self.sessions.remove(&node); // closes the connection
        }
    }
}
