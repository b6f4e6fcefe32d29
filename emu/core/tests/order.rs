//! The order of instructions, events and deliveries, with toy CPUs that write down what they see.

use emu_core::{
    Clock, Machine, Time,
    bus::Bus,
    cpu::{Arch, Cpu, CpuExit, Run},
    device::{Attrs, Cx, DevId, Device, Pin, ResetKind},
    events::Tag,
    ids::Sink,
    link::Msg,
    machine::Exit,
    memory::RegionKind,
    regs,
    regs::Bank,
    save::{self, LoadError},
};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

const RAM: u64 = 0x2000_0000;
const LOG: u64 = RAM + 0x100;
/// The device's task registers.
const GO: u64 = 0x4000_0000;
const RING: u64 = 0x4000_0004;

/// Appends a byte to the log in RAM.
fn note(bus: &mut Bus, what: u8) {
    let attrs = Attrs::default();
    let n = bus.read(RAM, 4, attrs, true).unwrap();
    bus.write(LOG + n, 1, u64::from(what), attrs, true).unwrap();
    bus.write(RAM, 4, n + 1, attrs, true).unwrap();
}

fn log(m: &Machine) -> Vec<u8> {
    let mut n = [0; 4];
    m.bus.fabric.mem.peek(RAM, &mut n);
    let mut out = vec![0; u32::from_le_bytes(n) as usize];
    m.bus.fabric.mem.peek(LOG, &mut out);
    out
}

/// Every instruction notes the CPU's letter; every fourth writes a task register of the device. It may sleep after each instruction until a line of its rises.
#[derive(Clone, Serialize, Deserialize)]
struct Toy {
    letter: u8,
    retired: u64,
    task: u64,
    sleeps: bool,
    awake: bool,
    /// Lines that changed, before which instruction.
    lines: Vec<(u64, u16, bool)>,
}

impl Toy {
    fn new(letter: u8, task: u64, sleeps: bool) -> Toy {
        Toy { letter, retired: 0, task, sleeps, awake: true, lines: vec![] }
    }
}

static ARCH: Arch = Arch { name: "toy", target_xml: "", regs: &[], pc: 0, sp: 0, semihost: (0, 0) };

impl Cpu for Toy {
    fn reset(&mut self, _: &mut Bus) {}
    fn run(&mut self, bus: &mut Bus, run: Run) -> (u64, CpuExit) {
        let (mut cycle, mut resume) = (run.cycle, run.resume);
        while cycle < run.until {
            bus.fabric.set_cycle(cycle);
            self.sync(bus);
            if !resume && bus.breakpoints.contains(&self.pc()) {
                return (cycle, CpuExit::Break);
            }
            resume = false;
            note(bus, self.letter);
            if self.task != 0 && self.retired % 4 == 3 {
                bus.write(self.task, 4, 1, Attrs::default(), false).unwrap();
            }
            self.retired += 1;
            cycle += 1;
            if self.sleeps {
                self.awake = false;
                return (cycle, CpuExit::Sleep);
            }
            if run.step || bus.fabric.attention {
                break;
            }
        }
        (cycle, CpuExit::Ran)
    }
    fn event(&mut self, _: Tag, _: &mut Bus) {}
    fn sync(&mut self, bus: &mut Bus) -> bool {
        let me = u16::from(self.letter - b'a');
        bus.fabric.irqs.retain(|&(cpu, line, high)| {
            if cpu == me {
                self.lines.push((self.retired, line, high));
                self.awake |= high;
            }
            cpu != me
        });
        self.awake
    }
    fn fork(&self) -> Box<dyn Cpu> {
        Box::new(self.clone())
    }
    fn save(&self) -> Vec<u8> {
        save::to_bytes(self)
    }
    fn load(&mut self, bytes: &[u8]) -> Result<(), LoadError> {
        *self = save::from_bytes(bytes)?;
        Ok(())
    }
    fn kind(&self) -> &'static str {
        "toy"
    }
    fn arch(&self) -> &'static Arch {
        &ARCH
    }
    fn reg(&self, _: usize) -> u64 {
        0
    }
    fn set_reg(&mut self, _: usize, _: u64) -> bool {
        false
    }
    fn pc(&self) -> u64 {
        u64::from(self.letter) << 32 | self.retired
    }
    fn retired(&self) -> u64 {
        self.retired
    }
    fn semihost_done(&mut self, _: u64) {}
    fn not_modelled(&self) -> &'static [&'static str] {
        &[]
    }
}

regs! {
    /// Two tasks.
    pub enum Reg {
        /// An event at once, and one 25 ns later.
        TasksGo @ 0x0 task,
        /// A pulse on pin 0; pin 1 rises or falls.
        TasksRing @ 0x4 task,
    }
}

/// Notes its events and messages in RAM by DMA.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Bell {
    bank: Bank<Reg>,
    level: bool,
}

impl Bell {
    fn note(what: u8, cx: &mut Cx) {
        let mut n = [0; 4];
        cx.dma_read(RAM, &mut n);
        let n = u32::from_le_bytes(n);
        cx.dma_write(LOG + u64::from(n), &[what]);
        cx.dma_write(RAM, &(n + 1).to_le_bytes());
    }
}

impl Device for Bell {
    type Reg = Reg;
    const KIND: &'static str = "test,bell";
    const NOT_MODELLED: &'static [&'static str] = &[];
    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }
    fn reset(&mut self, _: ResetKind, _: &mut Cx) {
        self.bank.reset();
    }
    fn task(&mut self, r: Reg, _: usize, cx: &mut Cx) {
        if r == Reg::TasksRing {
            self.level = !self.level;
            cx.wire(1, self.level);
            return cx.pulse(0);
        }
        cx.after(0, 0);
        cx.after(25, 1);
    }
    fn event(&mut self, tag: Tag, cx: &mut Cx) {
        Bell::note(b'0' + tag as u8, cx);
        if tag == 1 {
            cx.send(0, Msg::Level(Some(true))); // leaves the machine
        }
    }
    fn recv(&mut self, _: u8, _: Msg, cx: &mut Cx) {
        Bell::note(b'm', cx);
    }
    fn wire_in(&mut self, _: Pin, level: bool, cx: &mut Cx) {
        Bell::note(if level { b'H' } else { b'L' }, cx);
    }
}

fn machine(cpus: &[(u8, u64)], tasks: bool) -> Machine {
    toys(cpus.iter().map(|&(letter, hz)| (Toy::new(letter, if tasks { GO } else { 0 }, false), hz)))
}

fn toys(cpus: impl Iterator<Item = (Toy, u64)>) -> Machine {
    let mut bus = Bus::default();
    bus.fabric.mem.add_region("ram", RAM, 0x1_0000, RegionKind::Ram);
    let bell = bus.add_device("bell", Box::new(Bell::default()));
    bus.add_window(GO, 0x1000, bell);
    for (pin, line) in [(0, 7), (1, 8)] {
        bus.connect((bell, pin), Sink::Irq(0, line));
        bus.connect((bell, pin), Sink::Irq(1, line));
    }
    let mut m = Machine::new("toy", bus);
    for (toy, hz) in cpus {
        m.add_cpu(Box::new(toy), Clock::hz(hz));
    }
    m.power_on(1);
    m
}

fn text(m: &Machine) -> String {
    String::from_utf8(log(m)).unwrap()
}

#[test]
fn an_event_comes_before_the_instruction_that_starts_with_it() {
    // 100 MHz: edges at 0, 10, 20, ... The fourth instruction starts at 30; its events are due at 30 and 55.
    let mut m = machine(&[(b'a', 100_000_000)], true);
    m.run_until(Time(80));
    assert_eq!(text(&m), "aaaa0aa1aa0");
}

#[test]
fn run_until_ends_between_events_and_instructions_of_its_end() {
    let mut m = machine(&[(b'a', 100_000_000)], true);
    // Events due at the end happen, instructions that start there do not, deliveries come after both.
    assert_eq!(m.run_until(Time(54)), Exit::Reached);
    assert_eq!(text(&m), "aaaa0aa");
    m.run_until(Time(55));
    m.deliver(DevId(0), 0, Msg::Byte(0));
    m.run_until(Time(60));
    assert_eq!(text(&m), "aaaa0aa1m");
}

#[test]
fn a_run_until_a_message_ends_with_what_sent_it() {
    let mut m = machine(&[(b'a', 100_000_000)], true);
    assert_eq!(m.run_until_message(Time(80)), Exit::Reached);
    assert_eq!((m.now(), &text(&m)[..]), (Time(55), "aaaa0aa1"));
    assert_eq!(m.take_outbox().iter().map(|o| o.at).collect::<Vec<_>>(), [Time(55)]);
    // Nothing else is sent up to the end; and an ordinary run does not stop.
    assert_eq!(m.run_until_message(Time(80)), Exit::Reached);
    assert_eq!((m.now(), &text(&m)[..]), (Time(80), "aaaa0aa1aa0"));
    m.run_until(Time(150));
    assert_eq!((m.now(), m.take_outbox().len()), (Time(150), 2));
}

#[test]
fn two_cpus_run_in_strict_order_of_time_and_number() {
    let mut m = machine(&[(b'a', 100_000_000), (b'b', 40_000_000)], false);
    m.run_until(Time(100));
    // a at 0 10 20 ... 90, b at 0 25 50 75; at the same time the lower number is first.
    assert_eq!(text(&m), "abaabaaabaabaa");
}

#[test]
fn a_step_is_one_instruction_of_whoever_is_next() {
    let mut m = machine(&[(b'a', 100_000_000), (b'b', 40_000_000)], false);
    let stepped: Vec<_> = (0..5).map(|_| m.step(Time(100))).collect();
    let cpu = |e: &Exit| if let Exit::Stepped(n) = e { *n } else { 9 };
    assert_eq!(stepped.iter().map(cpu).collect::<Vec<_>>(), [0, 1, 0, 0, 1]);
    assert_eq!(text(&m), "abaab");
}

/// One CPU that rings a bell, and one that sleeps until it hears it.
fn ringer_and_sleeper() -> Machine {
    let (a, b) = (Toy::new(b'a', RING, false), Toy::new(b'b', 0, true));
    toys([(a, 100_000_000), (b, 40_000_000)].into_iter())
}

#[test]
fn mend_a_cpu_wakes_when_another_ones_instruction_raises_its_line() {
    let mut m = ringer_and_sleeper();
    m.run_until(Time(130));
    // a rings at 30, 70 and 110, which is over at 40, 80 and 120; b's first edges from there are at 50, 100 and 125.
    assert_eq!(text(&m), "abaaaaabaaaaabaab");
}

#[test]
fn mend_lines_lie_nowhere_between_two_instructions() {
    for new in [ringer_and_sleeper, || toys([(Toy::new(b'a', RING, false), 100_000_000)].into_iter())] {
        let straight = |to: u64| {
            let mut m = new();
            m.run_until(Time(to));
            m.digest()
        };
        for t in 0..200 {
            let mut cut = new();
            cut.run_until(Time(t));
            let mut loaded = new();
            loaded.load(&cut.save()).unwrap();
            let mut fork = cut.fork();
            for (how, m) in [("cut", &mut cut), ("loaded", &mut loaded), ("forked", &mut fork)] {
                assert_eq!(m.digest(), straight(t), "{how} at {t}");
                m.run_until(Time(200));
                assert_eq!(m.digest(), straight(200), "{how} at {t}, in the end");
            }
        }
    }
}

#[test]
fn mend_a_pin_that_is_stuck_stays_stuck_after_a_load() {
    let new = || {
        let mut m = toys([(Toy::new(b'a', RING, false), 100_000_000)].into_iter());
        let ear = m.bus.add_device("ear", Box::new(Bell::default()));
        m.bus.connect((DevId(0), 1), Sink::Device(ear, 4));
        (m, ear)
    };
    let (mut m, ear) = new();
    m.force_pin(ear, 4, Some(true));
    m.run_until(Time(35)); // the bell's pin rose at 30, which the ear does not see
    let (mut loaded, _) = new();
    loaded.load(&m.save()).unwrap();
    for (how, m) in [("saved", &mut m), ("loaded", &mut loaded)] {
        m.run_until(Time(80)); // it falls at 70
        assert_eq!(text(m), "Haaaaaaaa", "{how}");
        m.force_pin(ear, 4, None);
        m.run_until(Time(120)); // it rises at 110
        assert_eq!(text(m), "HaaaaaaaaLaaaaH", "{how}");
    }
}

/// Runs in slices as a fleet does: to the end of each, past all stops, and then something is delivered.
fn in_slices(mut m: Machine, slice: u64, to: u64) -> String {
    let mut end = Time(0);
    while end < Time(to) {
        end = end + slice;
        while m.now() < end {
            m.run_until(end);
        }
        m.deliver(DevId(0), 0, Msg::Byte(0));
    }
    text(&m)
}

#[test]
fn mend_a_stop_of_one_cpu_does_not_take_the_time_of_another() {
    for slice in 1..40 {
        let new = || machine(&[(b'a', 100_000_000), (b'b', 40_000_000)], true);
        let mut stopped = new();
        let at = |letter: u8, n: u64| u64::from(letter) << 32 | n;
        stopped.bus.breakpoints = (0..20).flat_map(|n| [at(b'a', n), at(b'b', n)]).collect();
        assert_eq!(in_slices(stopped, slice, 400), in_slices(new(), slice, 400), "slices of {slice} ns");
    }
}

proptest! {
    #[test]
    fn cutting_a_run_anywhere_changes_nothing(
        cuts in proptest::collection::vec(0u64..4000, 0..12),
        hz in prop_oneof![Just(16_000_000u64), Just(100_000_000), Just(33_333_333)],
    ) {
        let new = || machine(&[(b'a', hz), (b'b', 40_000_000)], true);
        let mut whole = new();
        whole.run_until(Time(4000));
        let mut cut = new();
        let mut cuts = cuts;
        cuts.sort_unstable();
        for (i, t) in cuts.into_iter().enumerate() {
            if i % 2 == 0 {
                cut.run_until_message(Time(t)); // perhaps not so far
            } else {
                cut.run_until(Time(t));
            }
            if i % 3 == 1 {
                cut = cut.fork();
            } else if i % 3 == 2 {
                let saved = cut.save();
                cut = new();
                cut.load(&saved).unwrap();
            }
        }
        cut.run_until(Time(4000));
        prop_assert_eq!(text(&whole), text(&cut));
        prop_assert_eq!(whole.digest(), cut.digest());
    }
}
