//! What the tests have on their desk: images, fleets at a prompt, and somebody who types and reads.

use fleet::{
    Act, Command, ConsoleByte, Executor, Fleet, FleetExit, NodeState, Serial,
    config::{self, Files},
    scenario::{self, Observer, Scenario},
};
use std::path::PathBuf;

/// A millisecond of virtual time.
pub const MS: u64 = 1_000_000;
/// A second of virtual time.
pub const S: u64 = 1000 * MS;
/// MicroPython waits for a line.
pub const PROMPT: &str = ">>> ";

/// The catalogue and the scenarios that ship.
pub struct Shelf;

pub fn scenarios() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scenarios")
}

impl Files for Shelf {
    fn image(&self, name: &str) -> Result<Vec<u8>, String> {
        let image = images::find(name).map_err(|e| e.to_string())?;
        match image.load() {
            Ok(bytes) => Ok(bytes.into_owned()),
            Err(e) => {
                panic!("{e}; run `cargo xtask images` for what others wrote, `cargo xtask guests` for ours")
            }
        }
    }
    fn board(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(scenarios().join(path)).map_err(|e| format!("{path}: {e}"))
    }
}

/// The scenario of that text.
pub fn scenario(name: &str, text: &str) -> Scenario {
    scenario::load(name, text, None, &Shelf).unwrap_or_else(|e| panic!("{e}"))
}

/// Runs a scenario that must succeed.
pub fn succeeds(name: &str, text: &str) -> Scenario {
    let mut s = scenario(name, text);
    let report = s.run(&Serial, &mut ());
    assert_eq!(report.failure, None);
    s
}

/// A fleet, what it has printed, and how far each node's words have been read.
pub struct Desk {
    pub fleet: Fleet,
    pub said: Vec<Vec<u8>>,
    read: Vec<usize>,
}

impl Desk {
    /// A fleet just switched on.
    pub fn new(toml: &str) -> Desk {
        let (fleet, plan) = config::load("fleet.toml", toml, None, &Shelf).unwrap_or_else(|e| panic!("{e}"));
        let n = plan.nodes.len();
        Desk { fleet, said: vec![vec![]; n], read: vec![0; n] }
    }

    /// `n` micro:bits with Debian's MicroPython, a metre apart, at their prompts.
    pub fn microbits(n: usize) -> Desk {
        let mut desk = Desk::new(&microbits(n));
        (0..n as u32).for_each(|i| drop(desk.hear(i, PROMPT)));
        desk
    }

    /// Virtual nanoseconds since power-on.
    pub fn now(&self) -> u64 {
        self.fleet.now().0
    }

    /// Lets virtual time pass.
    pub fn pass(&mut self, ns: u64) -> Vec<FleetExit> {
        let end = self.fleet.now() + ns;
        let mut stops = vec![];
        loop {
            let exit = self.fleet.run_until(end, &Serial);
            for b in self.fleet.take_console() {
                self.said[b.node as usize].push(b.byte);
            }
            if exit == FleetExit::Reached {
                return stops;
            }
            stops.push(exit);
        }
    }

    /// Does something to a node now.
    pub fn act(&mut self, node: u32, act: Act) {
        let now = self.fleet.now();
        self.fleet.apply(Command::new(now, node, act));
    }

    /// Types on a node's console.
    pub fn say(&mut self, node: u32, text: &str) {
        self.act(node, Act::Text { console: 0, bytes: text.as_bytes().to_vec() });
    }

    /// Sets an input of a device.
    pub fn input(&mut self, node: u32, device: &str, name: &str, value: i64) {
        self.act(node, Act::Input { device: device.into(), name: name.into(), value });
    }

    /// Waits up to twenty virtual seconds until the node prints `what`; gives all it printed since the last time.
    pub fn hear(&mut self, node: u32, what: &str) -> String {
        let i = node as usize;
        for _ in 0..20_000 {
            let new = &self.said[i][self.read[i]..];
            if let Some(at) = new.windows(what.len()).position(|w| w == what.as_bytes()) {
                let text = String::from_utf8_lossy(&new[..at]).into_owned();
                self.read[i] += at + what.len();
                return text;
            }
            self.pass(MS);
        }
        panic!("node {node} did not print {what:?}, but:\n{}", String::from_utf8_lossy(&self.said[i]));
    }

    /// Types a line at MicroPython's prompt and gives what it answers.
    pub fn ask(&mut self, node: u32, line: &str) -> String {
        self.say(node, &format!("{line}\r"));
        let text = self.hear(node, PROMPT);
        let answer = text.strip_prefix(line).unwrap_or_else(|| panic!("{text:?} is no echo of {line:?}"));
        answer.trim().to_string()
    }

    /// Sends a micro:bit's CPU into the void, with a handler for that which is not there either.
    pub fn wreck(&mut self, node: u32) {
        const NOWHERE: u32 = 0x6000_0001;
        const HARD_FAULT_VECTOR: u64 = 3 * 4;
        self.act(node, Act::WriteMemory { addr: HARD_FAULT_VECTOR, bytes: NOWHERE.to_le_bytes().into() });
        self.act(node, Act::WriteRegister { reg: 15, value: NOWHERE.into() });
    }

    pub fn state(&self, node: u32) -> NodeState {
        self.fleet.nodes().nth(node as usize).expect("there is such a node").state
    }
}

/// A fleet file with `n` micro:bits a metre apart.
pub fn microbits(n: usize) -> String {
    format!("[group.bit]\ncount = {n}\nmachine = \"microbit\"\nimage = \"microbit-micropython\"\n")
}

/// Everything that was printed, with node and time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tape(pub Vec<ConsoleByte>);

impl Observer for Tape {
    fn console(&mut self, _: &Scenario, bytes: &[ConsoleByte]) {
        self.0.extend_from_slice(bytes);
    }
}

/// Runs `fleet` to `end` in one go, past guests that end, and gives what was printed.
pub fn run_to(fleet: &mut Fleet, end: u64, executor: &dyn Executor) -> Vec<ConsoleByte> {
    while fleet.run_until(emu_core::Time(end), executor) != FleetExit::Reached {}
    fleet.take_console()
}
