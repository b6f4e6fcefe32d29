//! Boards are data: builds a machine from one TOML file and the SoC file it inherits.
//!
//! What the keys mean stands in `devices/boards/README.md`.

use crate::{
    elsewhere,
    parts::or_gate::{self, OrGate},
    registry::{self, BOARDS, Kind, Params, SOCS},
    source::{Diagnostics, Source, Tab, nearest},
};
use emu_core::{
    Machine,
    bus::Bus,
    cpu::Cpu,
    device::{DevId, Pin, Port},
    ids::Sink,
    memory::{PAGE, RegionKind},
    time::Clock,
};
use std::{cell::RefCell, collections::BTreeMap, ops::Range};

mod check;
mod outside;

use check::MOST_HZ;

/// A CPU as a board file wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuSpec {
    /// `cortex-m0`, ...
    pub core: String,
    /// External interrupt lines.
    pub irqs: u16,
    /// Implemented priority bits, if not the core's usual number.
    pub priority_bits: Option<u8>,
    /// MPU regions, if not the core's usual number.
    pub mpu_regions: Option<u8>,
    /// Where execution starts after reset, if not where the core's architecture says.
    pub reset_vector: Option<u64>,
    /// Clock in Hz.
    pub hz: u64,
}

/// What is wrong with a [`CpuSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuMistake {
    /// The key of the CPU's table that says it.
    pub key: &'static str,
    /// What is wrong.
    pub message: String,
    /// What may be meant.
    pub help: Option<String>,
}

/// Makes CPUs: the front ends live above this crate.
pub type CpuFactory<'a> = &'a dyn Fn(&CpuSpec) -> Result<Box<dyn Cpu>, CpuMistake>;

/// Gives the text of a file by its path; the error is one line for people.
pub type Reader<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// What a person wants to know of a device.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// Name in the board file.
    pub name: String,
    /// Model.
    pub kind: &'static str,
    /// First address, if it is on the bus.
    pub base: Option<u64>,
    /// Interrupt lines.
    pub irqs: Vec<u16>,
    /// What it leaves out.
    pub not_modelled: &'static [&'static str],
    /// Inputs a scenario can set, with units.
    pub inputs: &'static [(&'static str, &'static str)],
}

/// What a person wants to know of a board.
#[derive(Clone, Debug, Default)]
pub struct BoardInfo {
    /// Name.
    pub name: String,
    /// One line.
    pub description: String,
    /// QEMU's and other names.
    pub aliases: Vec<String>,
    /// CPUs.
    pub cpus: Vec<CpuSpec>,
    /// Devices.
    pub devices: Vec<DeviceInfo>,
    /// The console a user sees first.
    pub console: Option<String>,
    /// The ids of its blocks in a universal HEX file.
    pub hex_boards: Vec<u16>,
}

/// A machine and what there is to know about it.
pub struct Board {
    /// The machine, not yet powered on.
    pub machine: Machine,
    /// For people.
    pub info: BoardInfo,
}

/// A board file that ships: name, description and aliases.
pub fn list() -> Vec<BoardInfo> {
    let mut all = vec![];
    for (name, text) in BOARDS {
        if let Ok(source) = Source::parse(name, text) {
            let root = source.root();
            all.push(BoardInfo { name: name.to_string(), ..heading(&root) });
        }
    }
    all
}

fn heading(root: &Tab) -> BoardInfo {
    BoardInfo {
        description: root.str("description").unwrap_or_default().into(),
        aliases: root.strings("aliases").unwrap_or_default().into_iter().map(String::from).collect(),
        console: root.str("console").map(String::from),
        hex_boards: root.uints("hex_boards").unwrap_or_default().into_iter().map(|id| id as u16).collect(),
        ..BoardInfo::default()
    }
}

/// The text of a shipped board by name or alias; the error holds the nearest right name.
pub fn find(name: &str) -> Result<(&'static str, &'static str), String> {
    let all = list();
    let found = all.iter().position(|b| b.name == name || b.aliases.iter().any(|a| a == name));
    match found {
        Some(i) => Ok(BOARDS[i]),
        None => {
            let names = all.iter().flat_map(|b| std::iter::once(&b.name).chain(&b.aliases));
            let help = match elsewhere::named(name) {
                Some(b) => format!("that is {}; the nearest is `{}`, {}; ", b.is, b.nearest, b.why),
                None => nearest(name, names.map(String::as_str)).map_or(String::new(), |h| format!("{h} ")),
            };
            let known: Vec<_> = all.iter().map(|b| &b.name[..]).collect();
            Err(format!("no machine is called `{name}`; {help}known: {}", known.join(", ")))
        }
    }
}

/// Builds the shipped board `name`.
pub fn build(name: &str, cpus: CpuFactory) -> Result<Board, Diagnostics> {
    let (name, text) = find(name).map_err(|message| {
        let file = "--machine".to_string();
        Diagnostics(vec![crate::source::Diagnostic { file, line: 1, column: 1, message, help: None }])
    })?;
    let none = |path: &str| Err(format!("cannot read {path}"));
    build_text(name, &format!("{name}.toml"), text, &none, cpus)
}

/// The SoC file that a board inherits: one that ships, by name, or any, by its path from the board's file.
fn inherited(file: &str, root: &Tab, read: Reader) -> Result<Option<Source>, Diagnostics> {
    let Some(want) = root.str("inherit") else { return Ok(None) };
    if let Some((soc, text)) = SOCS.iter().find(|s| s.0 == want) {
        return Source::parse(&format!("{soc}.toml"), text).map(Some);
    }
    if !want.ends_with(".toml") {
        let help = nearest(want, SOCS.iter().map(|s| s.0));
        let help = help.or_else(|| Some("a SoC of your own is a path that ends in `.toml`".into()));
        root.report("inherit", format!("no SoC is called `{want}`"), help);
        return Ok(None);
    }
    let path = match file.rsplit_once('/') {
        Some((folder, _)) if !want.starts_with('/') => format!("{folder}/{want}"),
        _ => want.to_string(),
    };
    match read(&path) {
        Ok(text) => Source::parse(&path, &text).map(Some),
        Err(why) => {
            root.report("inherit", why, None);
            Ok(None)
        }
    }
}

/// Builds a board from the text of a file. `name` names the machine, `file` stands in diagnostics, and a SoC file of one's
/// own lies beside it; `read` gives its text.
pub fn build_text(
    name: &str,
    file: &str,
    text: &str,
    read: Reader,
    cpus: CpuFactory,
) -> Result<Board, Diagnostics> {
    let board = Source::parse(file, text)?;
    let root = board.root();
    let soc = inherited(file, &root, read)?;
    let files: Vec<&Source> = soc.iter().chain([&board]).collect();
    let roots: Vec<Tab> = files[..files.len() - 1].iter().map(|s| s.root()).chain([root]).collect();
    let mut b = Builder {
        bus: Bus::default(),
        clocks: BTreeMap::new(),
        devices: vec![],
        irqs: BTreeMap::new(),
        lines: vec![],
        taken: vec![],
        roots,
    };
    b.info_pass();
    let board = b.build(name, cpus);
    b.roots.iter().for_each(Tab::done);
    let found: Vec<_> = files.iter().flat_map(|s| s.take_diagnostics()).collect();
    if found.is_empty() { Ok(board) } else { Err(Diagnostics(found)) }
}

/// A place in a file.
#[derive(Clone)]
struct Place<'s> {
    source: &'s Source,
    span: Option<Range<usize>>,
}

impl<'s> Place<'s> {
    fn of(tab: &Tab<'s>, key: &str) -> Place<'s> {
        Place { source: tab.source(), span: tab.value_span(key) }
    }
    fn report(&self, message: impl Into<String>) {
        self.source.report(self.span.clone(), message, None);
    }
}

/// Addresses that memory or a device has.
struct Stretch<'s> {
    base: u64,
    size: u64,
    name: String,
    place: Place<'s>,
}

struct Dev<'s> {
    name: String,
    kind: &'static Kind,
    base: Option<u64>,
    /// The board's overlay first.
    tabs: Vec<Tab<'s>>,
    id: DevId,
    linked: Vec<Port>,
}

struct Builder<'s> {
    bus: Bus,
    clocks: BTreeMap<String, u64>,
    devices: Vec<Dev<'s>>,
    /// Who drives an interrupt line: `(cpu, line)` to pins.
    irqs: BTreeMap<(u16, u16), Vec<(DevId, Pin)>>,
    /// Interrupt lines as the files have them.
    lines: Vec<(u64, Place<'s>)>,
    /// What has its addresses.
    taken: Vec<Stretch<'s>>,
    /// SoC, board.
    roots: Vec<Tab<'s>>,
}

impl<'s> Builder<'s> {
    /// Keys that only people read.
    fn info_pass(&self) {
        for root in &self.roots {
            root.str("description");
            root.str("inherit");
        }
    }

    fn build(&mut self, name: &str, cpus: CpuFactory) -> Board {
        self.read_clocks();
        self.read_memory();
        self.read_devices();
        self.make_devices();
        self.read_wires();
        let board = self.roots.last().map(heading).unwrap_or_default();
        let specs = self.read_cpus();
        let devices = self.device_infos();
        self.join_irqs();
        let ports = self.external_ports();
        let mut machine = Machine::new(name, std::mem::take(&mut self.bus));
        for (spec, tab) in &specs {
            match cpus(spec) {
                Ok(cpu) => machine.add_cpu(cpu, Clock::hz(spec.hz)),
                Err(e) => tab.report(e.key, e.message, e.help),
            }
        }
        self.check_cpus(&machine, &specs);
        machine.ports = ports.into();
        self.check_console(&board, &machine);
        let cpus = specs.into_iter().map(|s| s.0).collect();
        Board { machine, info: BoardInfo { name: name.into(), cpus, devices, ..board } }
    }

    fn check_console(&self, info: &BoardInfo, machine: &Machine) {
        let Some(console) = &info.console else { return };
        if !machine.ports.iter().any(|p| p.name == *console) {
            let help = nearest(console, machine.ports.iter().map(|p| &p.name[..]));
            if let Some(root) = self.roots.last() {
                root.report("console", format!("no serial port is called `{console}`"), help);
            }
        }
    }

    fn read_clocks(&mut self) {
        for root in &self.roots {
            for (name, item) in root.entries("clock") {
                match item.as_integer().and_then(|v| u64::try_from(v).ok()) {
                    Some(hz @ 1..=MOST_HZ) => drop(self.clocks.insert(name.into(), hz)),
                    _ => {
                        let what =
                            "a clock's rate is a number of Hz from 1 to 1,000,000,000: time is counted in ns";
                        root.source().report(item.span(), what, None);
                        self.clocks.insert(name.into(), 1);
                    }
                }
            }
        }
    }

    fn clock(&self, tab: &Tab, name: &str) -> u64 {
        self.clocks.get(name).copied().unwrap_or_else(|| {
            let help = nearest(name, self.clocks.keys().map(String::as_str));
            tab.report("clock", format!("no clock is called `{name}`"), help);
            1
        })
    }

    fn read_memory(&mut self) {
        let mut aliases = vec![];
        for r in 0..self.roots.len() {
            for (name, tab) in self.roots[r].named("memory") {
                let (base, size) = (tab.need_uint("base").unwrap_or(0), tab.need_uint("size").unwrap_or(0));
                let kind = match tab.need_str("kind") {
                    Some("rom") => RegionKind::Rom,
                    Some("ram") | None => RegionKind::Ram,
                    Some(other) => {
                        tab.report("kind", format!("memory is `ram` or `rom`, not `{other}`"), None);
                        RegionKind::Ram
                    }
                };
                let (alias, fill) = (tab.uint("alias_of"), tab.uint("fill"));
                tab.str("writer"); // once the devices are there
                tab.done();
                if let Some(wrong) = fill.filter(|v| *v > 0xff) {
                    tab.report(
                        "fill",
                        format!("memory is filled with bytes, from 0 to 0xff, not {wrong:#x}"),
                        None,
                    );
                }
                if !base.is_multiple_of(PAGE as u64) {
                    tab.report("base", "memory starts at a multiple of 4096", None);
                } else if self.take(name, base, size, &tab) {
                    match alias {
                        Some(target) => aliases.push((tab, base, size, target)),
                        None => self.add_region((name, base, size, kind), fill),
                    }
                }
            }
        }
        for (tab, base, size, target) in aliases {
            self.add_alias(&tab, (base, size, target));
        }
    }

    fn add_region(&mut self, (name, base, size, kind): (&str, u64, u64, RegionKind), fill: Option<u64>) {
        let mem = &mut self.bus.fabric.mem;
        mem.add_region(name, base, size, kind);
        let Some(byte) = fill.filter(|b| *b != 0) else { return };
        let page = [byte as u8; PAGE];
        for at in (0..size).step_by(PAGE) {
            mem.poke(base + at, &page[..(size - at).min(PAGE as u64) as usize]);
        }
    }

    fn read_devices(&mut self) {
        let mut found: Vec<(&'s str, Vec<Tab<'s>>)> = vec![];
        for root in &self.roots {
            for (name, tab) in root.named("device") {
                match found.iter_mut().find(|d| d.0 == name) {
                    Some(d) => d.1.insert(0, tab),
                    None => found.push((name, vec![tab])),
                }
            }
        }
        for (name, tabs) in found {
            let first = tabs.last().expect("a device has a table");
            for overlay in &tabs[..tabs.len() - 1] {
                overlay.str("kind");
            }
            let Some(want) = first.need_str("kind") else { continue };
            let Some(kind) = registry::find(want) else {
                let help = nearest(want, registry::kinds().map(|k| k.name));
                first.report("kind", format!("no device model is called `{want}`"), help);
                continue;
            };
            let base = tabs.iter().find_map(|t| t.uint("base"));
            self.devices.push(Dev { name: name.into(), kind, base, tabs, id: DevId(0), linked: vec![] });
        }
    }

    /// Addresses of all event (or task) registers of devices on the bus, with the pins of an interconnect.
    fn interconnect(&self, access: emu_core::regs::Access) -> Vec<(u32, usize, Pin)> {
        let mut all = vec![];
        for (d, dev) in self.devices.iter().enumerate() {
            let Some(base) = dev.base else { continue };
            let mut slot = 0;
            for r in (dev.kind.regs)() {
                for i in 0..r.count {
                    if r.access == access {
                        all.push(((base as u32).wrapping_add(r.offset + i * r.stride), d, slot));
                    }
                    slot += 1;
                }
            }
        }
        all
    }

    fn make_devices(&mut self) {
        use emu_core::regs::Access;
        let (events, tasks) = (self.interconnect(Access::Event), self.interconnect(Access::Task));
        let number = |list: &[(u32, usize, Pin)]| -> Vec<(u32, Pin)> {
            list.iter().enumerate().map(|(i, e)| (e.0, i as Pin)).collect()
        };
        let (event_pins, task_pins) = (number(&events), number(&tasks));
        for d in 0..self.devices.len() {
            let dev = &self.devices[d];
            let params = Params {
                tabs: &dev.tabs,
                clocks: &self.clocks,
                events: &event_pins,
                tasks: &task_pins,
                asked: RefCell::default(),
            };
            let made = (dev.kind.create)(&params);
            let id = self.bus.add_device(&dev.name, made);
            self.window(d, id);
            self.device_irqs(d, id);
            self.devices[d].id = id;
        }
        for d in 0..self.devices.len() {
            self.devices[d].tabs.iter().for_each(Tab::done);
            if let Some(first) = self.devices[d].kind.interconnect {
                let ppi = self.devices[d].id;
                for (i, (_, from, slot)) in events.iter().enumerate() {
                    let from = self.devices[*from].id;
                    self.bus.connect((from, *slot), Sink::Device(ppi, first + i as Pin));
                }
                for (i, (_, to, slot)) in tasks.iter().enumerate() {
                    let to = self.devices[*to].id;
                    self.bus.connect((ppi, i as Pin), Sink::Device(to, *slot));
                }
            }
        }
        self.rom_writers();
    }

    fn window(&mut self, d: usize, id: DevId) {
        let dev = &self.devices[d];
        let size = dev.tabs.iter().find_map(|t| t.uint("size")).unwrap_or(0x1000);
        let Some(base) = dev.base else { return };
        let at = dev.tabs.iter().position(|t| t.has("base")).expect("the base came from a table");
        let (name, tab) = (dev.name.clone(), self.devices[d].tabs[at].here());
        if self.take(&name, base, size, &tab) {
            self.bus.add_window(base, size, id);
        }
    }

    fn device_irqs(&mut self, d: usize, id: DevId) {
        let dev = &self.devices[d];
        let mut lines: Vec<(&str, u64, Place)> = vec![];
        for tab in &dev.tabs {
            if let Some(line) = tab.uint("irq") {
                lines.push(("irq", line, Place::of(tab, "irq")));
            }
            for (pin, item) in tab.entries("irqs") {
                let place = Place { source: tab.source(), span: item.span() };
                match item.as_integer().and_then(|v| u64::try_from(v).ok()) {
                    Some(line) => lines.push((pin, line, place)),
                    None => place.report("an interrupt line is a whole number from 0"),
                }
            }
        }
        for (pin, line, place) in lines {
            match (self.devices[d].kind.pin(pin), u16::try_from(line)) {
                (Some(pin), Ok(line)) => self.irqs.entry((0, line)).or_default().push((id, pin)),
                (Some(_), Err(_)) => {}
                (None, _) => {
                    let (name, pins) = (&self.devices[d].name, self.devices[d].kind.pins);
                    let help = nearest(pin, pins.iter().map(|p| p.name));
                    place.source.report(place.span, format!("`{name}` has no output `{pin}`"), help);
                    continue;
                }
            }
            self.lines.push((line, place));
        }
    }

    fn rom_writers(&mut self) {
        for root in &self.roots {
            for (name, tab) in root.named("memory") {
                let Some(writer) = tab.str("writer") else { continue };
                match self.devices.iter().find(|d| d.name == writer) {
                    Some(d) => drop(self.bus.fabric.mem.set_writer(name, d.id)),
                    None => {
                        let help = nearest(writer, self.devices.iter().map(|d| &d.name[..]));
                        tab.report("writer", format!("no device is called `{writer}`"), help);
                    }
                }
            }
        }
    }

    /// Splits `device.end` and finds the device.
    fn end_of(&self, tab: &Tab<'s>, key: &'static str) -> Option<(usize, &'s str)> {
        let text = tab.need_str(key)?;
        let (dev, end) = text.split_once('.').unwrap_or((text, ""));
        let found = self.devices.iter().position(|d| d.name == dev);
        if found.is_none() {
            let help = nearest(dev, self.devices.iter().map(|d| &d.name[..]));
            tab.report(key, format!("no device is called `{dev}`"), help);
        }
        found.map(|d| (d, end))
    }

    /// `device.pin`, or a range of pins: device, first pin, number.
    fn pins_of(&self, tab: &Tab<'s>, key: &'static str) -> Option<(DevId, Pin, u16)> {
        let (d, end) = self.end_of(tab, key)?;
        let pins = self.devices[d].kind.pin_range(end);
        if pins.is_none() {
            let help = nearest(end, self.devices[d].kind.pins.iter().map(|p| p.name));
            tab.report(key, format!("`{}` has no pin `{end}`", self.devices[d].name), help);
        }
        pins.map(|(first, n)| (self.devices[d].id, first, n))
    }

    fn port_of(&mut self, tab: &Tab<'s>, key: &'static str) -> Option<(DevId, Port)> {
        let (d, end) = self.end_of(tab, key)?;
        let ports = self.devices[d].kind.ports;
        let found = ports.iter().find(|p| p.name == end).map(|p| p.port);
        match found {
            Some(port) => {
                self.devices[d].linked.push(port);
                Some((self.devices[d].id, port))
            }
            None => {
                let help = nearest(end, ports.iter().map(|p| p.name));
                tab.report(key, format!("`{}` has no port `{end}`", self.devices[d].name), help);
                None
            }
        }
    }

    fn read_wires(&mut self) {
        for r in 0..self.roots.len() {
            for tab in self.roots[r].list("wire") {
                let (from, to) = (self.pins_of(&tab, "from"), self.pins_of(&tab, "to"));
                tab.done();
                let (Some(from), Some(to)) = (from, to) else { continue };
                if from.2 != to.2 {
                    tab.report("to", format!("{} pins lead to {}", from.2, to.2), None);
                }
                for i in 0..from.2.min(to.2) {
                    self.bus.connect((from.0, from.1 + i), Sink::Device(to.0, to.1 + i));
                }
            }
            for tab in self.roots[r].list("link") {
                let (a, b) = (self.port_of(&tab, "a"), self.port_of(&tab, "b"));
                tab.done();
                if let (Some(a), Some(b)) = (a, b) {
                    self.bus.link(a, b);
                }
            }
        }
    }

    /// A line that several pins drive goes through an OR gate.
    fn join_irqs(&mut self) {
        for ((cpu, line), drivers) in std::mem::take(&mut self.irqs) {
            let sink = Sink::Irq(cpu, line);
            if let [one] = drivers[..] {
                self.bus.connect(one, sink);
                continue;
            }
            let gate = self.bus.add_device(&format!("irq{line}-or"), Box::new(OrGate::default()));
            for (i, driver) in drivers.into_iter().enumerate() {
                self.bus.connect(driver, Sink::Device(gate, i as Pin));
            }
            self.bus.connect((gate, or_gate::OUT), sink);
        }
    }

    fn read_cpus(&self) -> Vec<(CpuSpec, Tab<'s>)> {
        let mut all = vec![];
        if let Some(board) = self.roots.last()
            && !self.roots.iter().any(|r| r.has("cpu"))
        {
            board.report_here("a board has at least one [cpu.NAME]", None);
        }
        for root in &self.roots {
            for (_, tab) in root.named("cpu") {
                let Some(core) = tab.need_str("core") else { continue };
                let clock = tab.need_str("clock");
                let small = |key| tab.uint(key).map(|v| v.min(255) as u8);
                let spec = CpuSpec {
                    core: core.into(),
                    irqs: tab.uint("irqs").map_or(32, |n| u16::try_from(n).unwrap_or(u16::MAX)),
                    priority_bits: small("priority_bits"),
                    mpu_regions: small("mpu_regions"),
                    reset_vector: tab.uint("reset_vector"),
                    hz: clock.map_or(1, |c| self.clock(&tab, c)),
                };
                tab.done();
                all.push((spec, tab));
            }
        }
        all
    }

    fn device_infos(&self) -> Vec<DeviceInfo> {
        let info = |d: &Dev| {
            let made = self.bus.device(d.id);
            let mut irqs: Vec<_> =
                self.irqs.iter().filter(|(_, v)| v.iter().any(|p| p.0 == d.id)).map(|(k, _)| k.1).collect();
            irqs.sort_unstable();
            DeviceInfo {
                name: d.name.clone(),
                kind: d.kind.name,
                base: d.base,
                irqs,
                not_modelled: made.map_or(&[], |m| m.not_modelled()),
                inputs: made.map_or(&[], |m| m.inputs()),
            }
        };
        self.devices.iter().map(info).collect()
    }
}
