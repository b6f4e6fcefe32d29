//! A fleet in a Rust test: a firmware project tests its image from its own `cargo test`.
//!
//! Time is virtual: nothing here waits for the host, and the same builder gives the same run, bit for bit.
//!
//! ```no_run
//! use fleet_host::{Lab, LabError};
//! use std::time::Duration;
//!
//! fn main() -> Result<(), LabError> {
//!     let mut lab = Lab::builder()
//!         .seed(7)
//!         .node("anna", "microbit", "target/firmware.hex")
//!         .node("bert", "microbit", "target/firmware.hex")
//!         .at([5.0, 0.0, 0.0])
//!         .build()?;
//!     lab.node("anna")?.expect("ready", Duration::from_secs(2))?;
//!     lab.node("anna")?.press("button-a")?;
//!     lab.node("bert")?.expect("anna pressed A", Duration::from_secs(1))?;
//!     assert_eq!(lab.node("bert")?.read_u32("received")?, 1);
//!     Ok(())
//! }
//! ```

use crate::{Folder, Pool};
use devices::source::Diagnostics;
use emu_core::{
    Time,
    device::{ResetKind, View},
};
use fleet::{
    Act, Command, Executor, Fleet, FleetExit, NodeState, Serial,
    config::{self, NodePlan, Plan},
    view::lamps,
    wiring::{LinePlan, PatchPlan, SwitchPlan},
};
use netsim::{RadioConfig, line::LineConfig};
use std::{fmt, path::Path, time::Duration};

/// Between two looks at what consoles printed, in nanoseconds of virtual time.
const TICK: u64 = 1_000_000;

/// Nobody waits longer than a hundred years: an end that lies beyond is this one.
const FAR: Time = Time::secs(100 * 365 * 24 * 3600);

/// Why a test cannot go on. What a test that returns it prints is the message, not the fields.
#[derive(thiserror::Error)]
pub enum LabError {
    /// The builder was told something that cannot be.
    #[error("{0}")]
    Builder(String),
    /// The fleet cannot be built.
    #[error("{0}")]
    Setup(#[from] Diagnostics),
    /// A file cannot be read.
    #[error("{0}")]
    Input(#[from] crate::InputError),
    /// No node has that name.
    #[error("{0}")]
    NoNode(String),
    /// What was awaited did not come.
    #[error(
        "{node} did not print {wanted:?} from {since} s to {at} s (seed {seed}); the last it said:\n{said}"
    )]
    TimeOut {
        /// Which node.
        node: String,
        /// What was awaited.
        wanted: String,
        /// From when.
        since: Time,
        /// Until when.
        at: Time,
        /// The run's seed.
        seed: u64,
        /// The end of the node's console.
        said: String,
    },
    /// A node locked up.
    #[error("{node} locked up at {place}, {at} s (seed {seed})")]
    LockedUp {
        /// Which node.
        node: String,
        /// Where.
        place: String,
        /// When.
        at: Time,
        /// The run's seed.
        seed: u64,
    },
    /// The node has no such thing.
    #[error("{node}: {what}")]
    Nothing {
        /// Which node.
        node: String,
        /// What.
        what: String,
    },
}

impl fmt::Debug for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Says what a fleet consists of. Calls that concern a node mean the one added last. What is wrong, [`Builder::build`] says.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    plan: Plan,
    threads: usize,
    /// The first call for a node before there was one.
    early: Option<&'static str>,
}

impl Builder {
    /// The seed of everything random; 1 unless given.
    pub fn seed(mut self, seed: u64) -> Builder {
        self.plan.seed = seed;
        self
    }
    /// What the air is like.
    pub fn radio(mut self, radio: RadioConfig) -> Builder {
        self.plan.radio = radio;
        self
    }
    /// Adds a node: name, machine, image (a path, or a name of the catalogue).
    pub fn node(mut self, name: &str, machine: &str, image: &str) -> Builder {
        self.plan.nodes.push(NodePlan::new(name, machine, image));
        self
    }
    fn last(mut self, call: &'static str, change: impl FnOnce(&mut NodePlan)) -> Builder {
        match self.plan.nodes.last_mut() {
            Some(node) => change(node),
            None => self.early = self.early.or(Some(call)),
        }
        self
    }
    /// Its position in metres.
    pub fn at(self, position: [f64; 3]) -> Builder {
        self.last("at", |node| node.position = position)
    }
    /// Where its image, a raw binary, is loaded.
    pub fn load_at(self, address: u64) -> Builder {
        self.last("load_at", |node| node.at = Some(address))
    }
    /// Its hardware address.
    pub fn mac(self, mac: [u8; 6]) -> Builder {
        self.last("mac", |node| node.net.mac = Some(mac))
    }
    /// Bytes of its image, which occur once, become others, as many.
    pub fn patch(self, find: &[u8], replace: &[u8]) -> Builder {
        self.last("patch", |node| node.net.patches.push(PatchPlan::new(find, replace)))
    }
    /// Adds a switch. Every node with an Ethernet socket is on the only one.
    pub fn switch(self, name: &str) -> Builder {
        self.switch_plan(SwitchPlan::new(name))
    }
    /// Adds a switch with links of its own kind, or with a gateway.
    pub fn switch_plan(mut self, plan: SwitchPlan) -> Builder {
        self.plan.switches.push(plan);
        self
    }
    /// Joins two serial ports, each `node.port`.
    pub fn uart(mut self, a: &str, b: &str) -> Builder {
        self.plan.lines.push(LinePlan::new(LineConfig::serial(), a, b));
        self
    }
    /// Joins two pins, each `node.port`.
    pub fn wire(mut self, a: &str, b: &str) -> Builder {
        self.plan.lines.push(LinePlan::new(LineConfig::wire(), a, b));
        self
    }
    /// Runs machines on so many threads. Changes nothing but the host's time.
    pub fn threads(mut self, threads: usize) -> Builder {
        self.threads = threads;
        self
    }
    fn check(&self) -> Result<(), String> {
        if let Some(call) = self.early {
            return Err(format!("`{call}` concerns the node added last, but no `node` was added before it"));
        }
        let nodes = &self.plan.nodes;
        if nodes.is_empty() {
            return Err("a fleet has at least one node: add it with `node`".into());
        }
        for (i, n) in nodes.iter().enumerate() {
            if nodes[..i].iter().any(|other| other.name == n.name) {
                return Err(format!("two nodes are called `{}`", n.name));
            }
            if !n.position.iter().all(|x| x.abs() <= config::FARTHEST) {
                let (at, most) = (n.position, config::FARTHEST);
                return Err(format!(
                    "`{}` is at {at:?}: coordinates are numbers of metres up to {most}",
                    n.name
                ));
            }
        }
        Ok(())
    }

    /// Builds the fleet and switches it on. Paths are relative to the present folder.
    pub fn build(self) -> Result<Lab, LabError> {
        self.check().map_err(LabError::Builder)?;
        let fleet = config::build(&self.plan, self.plan.seed, &Folder::of(Path::new("")), None)?;
        Ok(Lab::new(fleet, self.threads))
    }
}

/// What a node's console printed.
#[derive(Clone, Debug, Default)]
struct Said {
    text: Vec<u8>,
    /// What [`Handle::expect`] has seen.
    read: usize,
}

/// A fleet under test.
pub struct Lab {
    fleet: Fleet,
    executor: Box<dyn Executor>,
    threads: usize,
    said: Vec<Said>,
}

impl Lab {
    /// Begins a fleet.
    pub fn builder() -> Builder {
        Builder { plan: Plan { seed: 1, ..Plan::default() }, threads: 1, early: None }
    }

    /// The fleet of a file.
    pub fn load(path: impl AsRef<Path>, seed: Option<u64>) -> Result<Lab, LabError> {
        let path = path.as_ref();
        let text = crate::load::text(path)?;
        let (fleet, _) = config::load(&path.display().to_string(), &text, seed, &Folder::of(path))?;
        Ok(Lab::new(fleet, 1))
    }

    fn new(fleet: Fleet, threads: usize) -> Lab {
        let said = vec![Said::default(); fleet.nodes().len()];
        let executor: Box<dyn Executor> =
            if threads > 1 { Box::new(Pool::new(threads)) } else { Box::new(Serial) };
        Lab { fleet, executor, threads, said }
    }

    /// The fleet itself, for everything not offered here.
    pub fn fleet(&mut self) -> &mut Fleet {
        &mut self.fleet
    }

    /// Virtual time since power-on.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.fleet.now().0)
    }

    /// A digest of the whole state: equal digests go on equally.
    pub fn digest(&mut self) -> u128 {
        self.fleet.digest()
    }

    /// A copy that goes its own way from here: boot once, test many times.
    pub fn fork(&mut self) -> Lab {
        let mut fork = Lab::new(self.fleet.fork(), self.threads);
        fork.said.clone_from(&self.said);
        fork
    }

    /// A node by name.
    pub fn node(&mut self, name: &str) -> Result<Handle<'_>, LabError> {
        match self.fleet.find(name) {
            Some(id) => Ok(Handle { lab: self, id }),
            None => {
                let help = devices::source::nearest(name, self.fleet.nodes().map(|n| &n.name[..]));
                let help = help.map(|h| format!("; {h}")).unwrap_or_default();
                Err(LabError::NoNode(format!("no node is called `{name}`{help}")))
            }
        }
    }

    /// Lets so much virtual time pass, up to a hundred years since power-on. A lockup of any node is an error.
    pub fn run_for(&mut self, time: Duration) -> Result<(), LabError> {
        let end = self.end(time);
        self.run_until(end)
    }

    /// The end of so much time from now on.
    fn end(&self, time: Duration) -> Time {
        let now = self.fleet.now();
        (now + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).min(FAR).max(now)
    }

    fn run_until(&mut self, mut end: Time) -> Result<(), LabError> {
        let mut failed = None;
        loop {
            let exit = self.fleet.run_until(end, &*self.executor);
            for b in self.fleet.take_console() {
                self.said[b.node as usize].text.push(b.byte);
            }
            match exit {
                FleetExit::Reached | FleetExit::Interrupted => return failed.map_or(Ok(()), Err),
                FleetExit::Stopped { node, exit: emu_core::machine::Exit::Lockup(_, pc) } => {
                    let seed = self.fleet.seed();
                    let Some(n) = self.fleet.nodes().nth(node as usize) else { continue };
                    let (node, place, at) = (n.name.clone(), n.firmware.place(pc), n.now());
                    failed.get_or_insert(LabError::LockedUp { node, place, at, seed });
                    // The others go on to the next millisecond: where they stand does not depend on the epochs.
                    end = end.min(Time((at.0 / TICK + 1) * TICK));
                }
                FleetExit::Stopped { .. } | FleetExit::Exited { .. } => {}
            }
        }
    }

    /// Runs until `done`, looked at every millisecond, or for `time`; says whether it was done.
    pub fn run_until_true(
        &mut self,
        time: Duration,
        mut done: impl FnMut(&mut Lab) -> bool,
    ) -> Result<bool, LabError> {
        let end = self.end(time);
        loop {
            if done(self) {
                return Ok(true);
            }
            let now = self.fleet.now();
            if now >= end {
                return Ok(false);
            }
            self.run_until(Time((now.0 / TICK + 1) * TICK).min(end))?;
        }
    }
}

/// A node of a [`Lab`].
pub struct Handle<'a> {
    lab: &'a mut Lab,
    id: u32,
}

impl Handle<'_> {
    fn fleet_node(&self) -> &fleet::Node {
        self.lab.fleet.nodes().nth(self.id as usize).expect("found by name")
    }

    fn nothing(&self, what: String) -> LabError {
        LabError::Nothing { node: self.fleet_node().name.clone(), what }
    }

    /// Does something to the node now.
    pub fn act(&mut self, act: Act) {
        let command = Command::new(self.lab.fleet.now(), self.id, act);
        self.lab.fleet.apply(command);
        // The command happens as soon as the fleet is asked to run, even for no time.
        let _ = self.lab.fleet.run_until(self.lab.fleet.now(), &Serial);
    }

    /// Types text at its first console; Enter is `\r`.
    pub fn send(&mut self, text: &str) {
        self.act(Act::Text { console: 0, bytes: text.as_bytes().to_vec() });
    }

    /// All it printed so far.
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&self.lab.said[self.id as usize].text).into_owned()
    }

    /// Runs until it has printed `text` behind what was expected before, for `time` at most. The answer is what came
    /// before the text.
    pub fn expect(&mut self, text: &str, time: Duration) -> Result<String, LabError> {
        let (id, wanted) = (self.id as usize, text.as_bytes());
        let since = self.lab.fleet.now();
        let mut from = self.lab.said[id].read;
        let found = self.lab.run_until_true(time, |lab| {
            let said = &lab.said[id].text;
            let hit = said[from..].windows(wanted.len().max(1)).position(|w| w == wanted);
            match hit {
                Some(i) => from += i,
                None => from = from.max((said.len() + 1).saturating_sub(wanted.len().max(1))),
            }
            hit.is_some() || wanted.is_empty()
        })?;
        let said = &mut self.lab.said[id];
        if found {
            let before = String::from_utf8_lossy(&said.text[said.read..from]).into_owned();
            said.read = from + wanted.len();
            return Ok(before);
        }
        let shown = String::from_utf8_lossy(&said.text[said.text.len().saturating_sub(400)..]).into_owned();
        Err(LabError::TimeOut {
            node: self.fleet_node().name.clone(),
            wanted: text.into(),
            since,
            at: self.lab.fleet.now(),
            seed: self.lab.fleet.seed(),
            said: shown,
        })
    }

    /// Sets an input of a device, such as `accelerometer`, `x`.
    pub fn input(&mut self, device: &str, name: &str, value: i64) -> Result<(), LabError> {
        let bus = &self.fleet_node().machine.bus;
        let inputs = bus.device_by_name(device).and_then(|d| bus.device(d)).map(|d| d.inputs());
        if !inputs.is_some_and(|all| all.iter().any(|i| i.0 == name)) {
            return Err(self.nothing(format!("no input is called `{device}.{name}`")));
        }
        self.act(Act::Input { device: device.into(), name: name.into(), value });
        Ok(())
    }

    /// Presses a button and keeps it pressed.
    pub fn press(&mut self, button: &str) -> Result<(), LabError> {
        self.input(button, "pressed", 1)
    }

    /// Lets a button go.
    pub fn release(&mut self, button: &str) -> Result<(), LabError> {
        self.input(button, "pressed", 0)
    }

    /// Presses the reset button.
    pub fn reset(&mut self) {
        self.act(Act::Reset(ResetKind::Pin));
    }

    /// Cuts the power, or gives it back.
    pub fn power(&mut self, on: bool) {
        self.act(Act::Power(on));
    }

    /// Runs, or why not.
    pub fn state(&self) -> NodeState {
        self.fleet_node().state
    }

    /// How often its guest did what it should not.
    pub fn mistakes(&self) -> u64 {
        self.fleet_node().machine.bus.fabric.errors.total
    }

    /// The address of a symbol of its image.
    pub fn symbol(&self, name: &str) -> Result<u64, LabError> {
        let symbols = &self.fleet_node().firmware.symbols;
        symbols.find(name).map(|s| s.addr).ok_or_else(|| {
            let help = devices::source::nearest(name, symbols.iter().map(|s| s.name));
            let help = help.map(|h| format!("; {h}")).unwrap_or_default();
            self.nothing(format!("no symbol is called `{name}`{help}"))
        })
    }

    /// Memory and registers from an address on, as a debugger sees them: nothing changes.
    pub fn read(&mut self, address: u64, out: &mut [u8]) -> Result<(), LabError> {
        if self.lab.fleet.debug_read(self.id, address, out) < out.len() {
            return Err(self.nothing(format!("there is neither memory nor a device at {address:#010x}")));
        }
        Ok(())
    }

    /// The little-endian word at a symbol.
    pub fn read_u32(&mut self, symbol: &str) -> Result<u32, LabError> {
        let address = self.symbol(symbol)?;
        let mut bytes = [0; 4];
        self.read(address, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    /// What a display shows, row by row: `#` for a lamp that is lit, `.` for one that is dark.
    pub fn display(&mut self, device: &str) -> Result<Vec<String>, LabError> {
        let view = self.lab.fleet.view();
        let node = &view.nodes[self.id as usize];
        let Some((_, View::Leds { width, levels })) = node.displays.iter().find(|d| d.0 == device) else {
            return Err(self.nothing(format!("no display is called `{device}`")));
        };
        Ok(lamps(*width, levels))
    }
}
