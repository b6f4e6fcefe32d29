//! The shipped MPS2 boards, put together: where things are and which interrupt lines they drive.

use crate::board::{self, Board, CpuMistake, CpuSpec};
use emu_core::{
    bus::Bus,
    cpu::{Arch, Cpu, CpuExit, Run},
    device::Attrs,
    events::Tag,
    link::Msg,
    save::LoadError,
};

/// A core that never does anything: interrupt lines stay in the fabric's list for the tests to see.
struct Idle;

static ARCH: Arch = Arch { name: "none", target_xml: "", regs: &[], pc: 0, sp: 0, semihost: (0, 0) };

impl Cpu for Idle {
    fn reset(&mut self, _: &mut Bus) {}
    fn run(&mut self, _: &mut Bus, run: Run) -> (u64, CpuExit) {
        (run.cycle, CpuExit::Sleep)
    }
    fn event(&mut self, _: Tag, _: &mut Bus) {}
    fn sync(&mut self, _: &mut Bus) -> bool {
        false
    }
    fn fork(&self) -> Box<dyn Cpu> {
        Box::new(Idle)
    }
    fn save(&self) -> Vec<u8> {
        vec![]
    }
    fn load(&mut self, _: &[u8]) -> Result<(), LoadError> {
        Ok(())
    }
    fn kind(&self) -> &'static str {
        "none"
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
        0
    }
    fn retired(&self) -> u64 {
        0
    }
    fn semihost_done(&mut self, _: u64) {}
    fn not_modelled(&self) -> &'static [&'static str] {
        &[]
    }
}

const NAMES: [&str; 3] = ["mps2-an385", "mps2-an386", "mps2-an500"];

fn boot(name: &str) -> Board {
    let make = |_: &CpuSpec| -> Result<Box<dyn Cpu>, CpuMistake> { Ok(Box::new(Idle)) };
    let mut board = board::build(name, &make).unwrap_or_else(|e| panic!("{e}"));
    board.machine.power_on(1);
    board.machine.bus.fabric.irqs.clear();
    board
}

fn write(b: &mut Board, addr: u64, v: u32) {
    let bus = &mut b.machine.bus;
    bus.write(addr, 4, u64::from(v), Attrs::default(), false).expect("something answers");
}

fn read(b: &mut Board, addr: u64) -> u32 {
    b.machine.bus.read(addr, 4, Attrs::default(), false).expect("something answers") as u32
}

/// Lines that changed since the last call.
fn lines(b: &mut Board) -> Vec<(u16, bool)> {
    b.machine.bus.fabric.irqs.drain(..).map(|(_, line, level)| (line, level)).collect()
}

#[test]
fn each_board_names_its_image_and_core() {
    let cores: Vec<_> = NAMES.map(boot).into_iter().map(|b| b.info.cpus[0].clone()).collect();
    let named: Vec<_> = cores.iter().map(|c| (&c.core[..], c.irqs, c.priority_bits, c.hz)).collect();
    assert_eq!(
        named,
        [
            ("cortex-m3", 32, Some(8), 25_000_000),
            ("cortex-m4f", 32, Some(4), 25_000_000),
            ("cortex-m7f", 32, Some(8), 25_000_000),
        ]
    );
    let ids = NAMES.map(|n| read(&mut boot(n), 0x4002_fffc));
    assert_eq!(ids, [0x4104_3850, 0x4104_3860, 0x4104_5000]);
}

#[test]
fn memory_is_where_the_application_notes_have_it() {
    for (name, psram, block) in [
        ("mps2-an385", 0x2100_0000, true),
        ("mps2-an386", 0x2100_0000, true),
        ("mps2-an500", 0x6000_0000, false),
    ] {
        let mut b = boot(name);
        // Base, then the same bytes through the mirror.
        for (at, mirror) in [(0, 0x40_0000), (0x2000_0000, 0x2040_0000), (psram, psram)] {
            write(&mut b, at + 0x104, 0x1234_0000 | (at >> 24) as u32);
            assert_eq!(read(&mut b, mirror + 0x104), 0x1234_0000 | (at >> 24) as u32, "{name}");
        }
        write(&mut b, psram + 0xff_fffc, 7);
        let at = 0x0100_c000;
        assert_eq!(b.machine.bus.write(at, 4, 9, Attrs::default(), false).is_ok(), block);
        if block {
            assert_eq!(read(&mut b, 0x0100_0000), 9);
        }
        for nothing in [0x0080_0000, 0x2080_0000, psram + 0x100_0000, 0x4003_0000] {
            assert!(b.machine.bus.read(nothing, 4, Attrs::default(), false).is_err(), "{name} {nothing:#x}");
        }
    }
}

#[test]
fn uart_lines_and_consoles() {
    for name in NAMES {
        let mut b = boot(name);
        assert_eq!(b.info.console.as_deref(), Some("uart0"));
        let uarts =
            [(0x4000_4000, 0), (0x4000_5000, 2), (0x4000_6000, 4), (0x4000_7000, 18), (0x4000_9000, 20)];
        for (i, (base, rx)) in uarts.into_iter().enumerate() {
            write(&mut b, base + 0x10, 217);
            write(&mut b, base + 0x8, 0x2f); // both ways with their interrupts, receiver overrun
            write(&mut b, base, u32::from(b'a'));
            assert_eq!(lines(&mut b), [(rx + 1, true)], "{name} uart{i}");
            let dev = b.machine.bus.device_by_name(&format!("uart{i}")).expect("it is there");
            b.machine.deliver(dev, 0, Msg::Byte(1));
            assert_eq!(lines(&mut b), [(rx, true)], "{name} uart{i}");
            b.machine.deliver(dev, 0, Msg::Byte(2));
            let overrun = (i == 0).then_some((12, true)); // it stays up for the next ones
            assert_eq!(lines(&mut b), overrun.into_iter().collect::<Vec<_>>(), "{name} uart{i}");
        }
        for (i, (base, _)) in uarts.into_iter().enumerate() {
            write(&mut b, base + 0xc, 0xc);
            let fall = (i == 2).then_some((12, false));
            assert_eq!(lines(&mut b), fall.into_iter().collect::<Vec<_>>(), "{name} uart{i}");
        }
        let sent = b.machine.take_outbox();
        assert_eq!(sent.len(), 5);
        assert!(sent.iter().all(|o| o.msg == Msg::Byte(b'a')));
    }
}

#[test]
fn timer_lines_at_their_cycle() {
    let mut b = boot("mps2-an386");
    for (base, line) in [(0x4000_0000, 8), (0x4000_1000, 9)] {
        let start = b.machine.now();
        write(&mut b, base + 8, 25_000); // RELOAD: one millisecond to zero
        write(&mut b, base, 9);
        b.machine.run_until(start + 999_999);
        assert_eq!(lines(&mut b), []);
        b.machine.run_until(start + 1_000_000);
        assert_eq!(lines(&mut b), [(line, true)]);
        write(&mut b, base, 0);
        write(&mut b, base + 0xc, 1);
        assert_eq!(lines(&mut b), [(line, false)]);
    }
    write(&mut b, 0x4000_2000, 24);
    write(&mut b, 0x4000_2008, 0xe2);
    b.machine.run_until(b.machine.now() + 1_000);
    assert_eq!(lines(&mut b), [(10, true)]);
}

#[test]
fn the_watchdog_drives_nmi_and_resets_the_machine() {
    let mut b = boot("mps2-an385");
    write(&mut b, 0x4000_8000, 2_500);
    write(&mut b, 0x4000_8008, 3);
    write(&mut b, 0x2000_0000, 0x600d);
    b.machine.run_until(b.machine.now() + 150_000);
    assert_eq!(lines(&mut b), [(0xffff, true)]);
    b.machine.run_until(b.machine.now() + 100_000);
    assert_eq!(lines(&mut b), [(0xffff, false)]);
    assert_eq!(read(&mut b, 0x4000_8008), 0);
    assert_eq!(read(&mut b, 0x2000_0000), 0x600d, "a watchdog's reset keeps RAM");
}

#[test]
fn gpio_lines() {
    let mut b = boot("mps2-an386");
    for (i, base, all) in
        [(0, 0x4001_0000, 6), (1, 0x4001_1000, 7), (2, 0x4001_2000, 16), (3, 0x4001_3000, 17)]
    {
        write(&mut b, base + 0x28, 0xffff); // edges,
        write(&mut b, base + 0x30, 0xffff); // rising
        write(&mut b, base + 0x20, 0xffff);
        let dev = b.machine.bus.device_by_name(&format!("gpio{i}")).expect("it is there");
        b.machine.set_pin(dev, 7, true);
        let own = (i == 0).then_some((31, true));
        assert_eq!(lines(&mut b), own.into_iter().chain([(all, true)]).collect::<Vec<_>>());
    }
}

#[test]
fn the_ethernet_controller_is_where_the_image_has_it_and_interrupts_on_line_13() {
    for (name, at) in [("mps2-an385", 0x4020_0000), ("mps2-an386", 0x4020_0000), ("mps2-an500", 0xa000_0000)]
    {
        let mut b = boot(name);
        assert_eq!(read(&mut b, at + 0x50), 0x0118_0001, "{name}");
        write(&mut b, at + 0x54, 0x111); // push-pull, active high
        write(&mut b, at + 0x5c, 1 << 31); // software interrupt
        assert_eq!(lines(&mut b), [(13, false), (13, true)], "{name}");
        assert_eq!(b.machine.bus.fabric.errors.total, 0);
    }
}

#[test]
fn what_leads_out_has_a_name_and_only_main_lines_are_consoles() {
    use emu_core::machine::PortKind::{Ethernet, Pin, Serial};
    let ports = |name: &str, kind| -> Vec<String> {
        let b = boot(name);
        b.machine.ports.iter().filter(|p| p.kind == kind).map(|p| p.name.clone()).collect()
    };
    let consoles = |name: &str| -> Vec<String> {
        boot(name).machine.bus.fabric.consoles.iter().map(|c| c.name.clone()).collect()
    };
    assert_eq!(ports("mps2-an386", Ethernet), ["ethernet"]);
    assert_eq!(ports("mps2-an386", Pin).len(), 52);
    assert_eq!(consoles("mps2-an386"), ["uart0", "uart1", "uart2", "uart3", "uart4", "semihost"]);
    assert_eq!(ports("microbit", Serial), ["uart0", "uart0.edge"]);
    assert_eq!(consoles("microbit"), ["uart0", "semihost"]);
    let edge = [0, 1, 2, 8, 12, 13, 14, 15, 16].map(|n| format!("edge.p{n}"));
    assert_eq!(ports("microbit", Pin), edge);
    let b = boot("mps2-an386");
    let exp50 = b.machine.ports.iter().find(|p| p.name == "exp50").expect("it is there");
    assert_eq!((Some(exp50.dev), exp50.port), (b.machine.bus.device_by_name("gpio3"), 2));
}

/// SoftDevices, MakeCode and Espruino reach for every block of the chip; Espruino looks at the level of the serial line.
#[test]
fn mend_every_window_of_the_nrf51_answers() {
    let mut b = boot("microbit");
    for id in 0..32 {
        read(&mut b, 0x4000_0304 + id * 0x1000);
    }
    assert_eq!(read(&mut b, 0x4000_f504), 1, "MODE of CCM");
    write(&mut b, 0x5000_0700 + 4 * 25, 0); // PIN_CNF[25]: an input
    assert_eq!(read(&mut b, 0x5000_0510) >> 25 & 1, 1);
}

#[test]
fn what_is_not_modelled_reads_zero_and_is_counted() {
    let mut b = boot("mps2-an386");
    assert_eq!(b.machine.bus.fabric.errors.total, 0);
    for at in [0x4002_0008, 0x4101_0000] {
        assert_eq!(read(&mut b, at), 0);
    }
    let log: Vec<_> = b.machine.bus.fabric.errors.iter().map(|(_, m, _)| m.to_string()).collect();
    assert_eq!(log, ["not modelled: SPI (PL022)", "not modelled: VGA"]);
}
