//! NVMC (chapter 6): erases and programs flash and UICR.
//!
//! It is the `writer` of the ROM regions `flash` and `uicr`. The board fills both with 0xFF before the image is
//! loaded.
//!
//! ## Parameters
//! `flash`: size in bytes of the flash at address 0; `page`: bytes in a page.
//!
//! ## Pins
//! In: [`POWER_FAIL`], from POWER: while it is high nothing is written or erased (11.1.5).
//!
//! ## Power cuts
//! A write or erasure takes effect at its end; the CPU stands still until then. If the power goes before (a reset of
//! kind `PowerOn`), each bit that was to change has changed with the probability that the time elapsed has of the
//! whole, in sixteenths: a word has some of its bits cleared, a page (or all pages) some of its bits set. Other resets
//! let the operation end. What is not modelled: cells between 0 and 1, which read differently each time.

use emu_core::{
    Time,
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};

regs! {
    /// Table 7.
    pub enum Reg {
        /// No operation is in progress.
        Ready @ 0x400 ro reset 0x1,
        /// 0 read only, 1 write enabled, 2 erase enabled.
        Config @ 0x504 rw mask 0x3,
        /// Erase the page at this address (also ERASEPCR1).
        Erasepage @ 0x508 rw,
        /// Erase flash and UICR.
        Eraseall @ 0x50c rw mask 0x1,
        /// Erase a page of region 0.
        Erasepcr0 @ 0x510 rw,
        /// Erase UICR.
        Eraseuicr @ 0x514 rw mask 0x1,
    }
}

const WEN: u32 = 1;
const EEN: u32 = 2;
/// User information configuration registers (7.1).
const UICR: u64 = 0x1000_1000;
const UICR_SIZE: u64 = 0x100;
// nRF51822 product specification v3.1, section 8.2: t_WRITE, t_PAGEERASE, t_ERASEALL.
const WRITE_NS: u64 = 46_300;
const ERASE_NS: u64 = 22_300_000;

/// Input: the supply is too low for the flash.
pub const POWER_FAIL: Pin = 0;
const DONE: Tag = 0;

/// What takes effect when the operation under way ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
enum Work {
    None,
    Word { addr: u64, value: u32 },
    Page { addr: u32 },
    Uicr,
    All,
}

/// Bytes of the largest flash.
pub const MOST_FLASH: u32 = 1 << 24;
/// Bytes of the largest page.
pub const MOST_PAGE: u32 = 1 << 16;

/// The flash controller.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Nvmc {
    bank: Bank<Reg>,
    flash: u32,
    page: u32,
    busy_until: Time,
    work: Work,
    power_fail: bool,
}

impl Nvmc {
    /// The controller of `flash` bytes in pages of `page` bytes.
    pub fn new(flash: u32, page: u32) -> Nvmc {
        Nvmc {
            bank: Bank::default(),
            flash,
            page: page.max(4),
            busy_until: Time::ZERO,
            work: Work::None,
            power_fail: false,
        }
    }

    fn begin(&mut self, work: Work, cx: &mut Cx) {
        let ns = if matches!(work, Work::Word { .. }) { WRITE_NS } else { ERASE_NS };
        self.work = work;
        self.busy_until = cx.now() + ns;
        cx.at(self.busy_until, DONE);
        cx.stall_cpus(ns);
    }

    /// The operation changes what it was to change; of each bit with a probability of `part` sixteenths.
    fn finish(&mut self, part: u64, cx: &mut Cx) {
        match std::mem::replace(&mut self.work, Work::None) {
            Work::None => {}
            Work::Word { addr, value } => {
                let mut old = [0; 4];
                cx.dma_read(addr, &mut old);
                let word = u32::from_le_bytes(old) & (value | !(some(part, cx) as u32)); // bits only fall
                cx.program(addr, &word.to_le_bytes());
            }
            Work::Page { addr } => erase(u64::from(addr), u64::from(self.page), part, cx),
            Work::Uicr => erase(UICR, UICR_SIZE, part, cx),
            Work::All => {
                erase(0, u64::from(self.flash), part, cx);
                erase(UICR, UICR_SIZE, part, cx);
            }
        }
    }

    fn may(&mut self, want: u32, cx: &mut Cx) -> bool {
        if cx.now() < self.busy_until {
            cx.guest_error("NVMC used while it is busy");
            return false;
        }
        if self.power_fail {
            cx.guest_error("flash written or erased while the power fails");
            return false;
        }
        if self.bank.reg(Reg::Config) != want {
            cx.guest_error(if want == WEN {
                "flash written without WEN"
            } else {
                "flash erased without EEN"
            });
            return false;
        }
        true
    }

    fn erase_page(&mut self, addr: u32, cx: &mut Cx) {
        if !self.may(EEN, cx) {
            return;
        }
        if addr >= self.flash || !addr.is_multiple_of(self.page) {
            return cx.guest_error("ERASEPAGE with an address that is no page's");
        }
        self.begin(Work::Page { addr }, cx);
    }

    fn erase_all(&mut self, work: Work, cx: &mut Cx) {
        if self.may(EEN, cx) {
            self.begin(work, cx);
        }
    }
}

/// Each bit is set with a probability of `part` sixteenths.
fn some(part: u64, cx: &mut Cx) -> u64 {
    if part >= 16 {
        return u64::MAX;
    }
    (0..4).fold(0, |mask, bit| if part >> bit & 1 != 0 { mask | cx.random() } else { mask & cx.random() })
}

fn erase(base: u64, size: u64, part: u64, cx: &mut Cx) {
    let mut bytes = vec![0; size as usize];
    cx.dma_read(base, &mut bytes);
    for chunk in bytes.chunks_mut(8) {
        let set = some(part, cx).to_le_bytes();
        chunk.iter_mut().zip(set).for_each(|(b, s)| *b |= s);
    }
    cx.program(base, &bytes);
}

impl Device for Nvmc {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-nvmc";
    const VERSION: u16 = 2;
    const NOT_MODELLED: &'static [&'static str] = &[
        "region 0 (CLENR0): ERASEPCR0 erases nothing",
        "the CPU stands still during every operation, also when it runs from RAM",
        "wear, and the limit of two writes to a word between erases",
        "the hard fault of a write without WEN: it is counted and has no effect",
    ];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, kind: ResetKind, cx: &mut Cx) {
        if self.work != Work::None {
            let left = self.busy_until.0.saturating_sub(cx.now().0);
            let whole = if matches!(self.work, Work::Word { .. }) { WRITE_NS } else { ERASE_NS };
            let cut = kind == ResetKind::PowerOn;
            self.finish(if cut { 16 * whole.saturating_sub(left) / whole } else { 16 }, cx);
        }
        *self = Nvmc { power_fail: self.power_fail, ..Nvmc::new(self.flash, self.page) };
    }

    fn event(&mut self, _: Tag, cx: &mut Cx) {
        self.finish(16, cx);
    }

    fn wire_in(&mut self, pin: Pin, level: bool, _: &mut Cx) {
        if pin == POWER_FAIL {
            self.power_fail = level;
        }
    }

    fn read(&mut self, r: Reg, i: usize, cx: &mut Cx) -> u32 {
        if r == Reg::Ready { u32::from(cx.now() >= self.busy_until) } else { self.bank.at(r, i) }
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::Erasepage => self.erase_page(v, cx),
            Reg::Erasepcr0 => cx.unimplemented("ERASEPCR0"),
            Reg::Eraseall if v == 1 => self.erase_all(Work::All, cx),
            Reg::Eraseuicr if v == 1 => self.erase_all(Work::Uicr, cx),
            Reg::Config if v == 3 => cx.guest_error("NVMC CONFIG 3 is reserved"),
            _ => {}
        }
    }

    fn rom_write(&mut self, addr: u64, size: u8, v: u64, cx: &mut Cx) {
        if !self.may(WEN, cx) {
            return;
        }
        if size != 4 || !addr.is_multiple_of(4) {
            return cx.guest_error("flash is written in aligned words only");
        }
        self.begin(Work::Word { addr, value: v as u32 }, cx);
    }

    fn validate(&self) -> Result<(), String> {
        let page = |addr: u32| addr < self.flash && addr.is_multiple_of(self.page);
        let work = !matches!(self.work, Work::Page { addr } if !page(addr));
        let sane = self.page >= 4 && self.page <= MOST_PAGE && self.flash <= MOST_FLASH && work;
        if sane { Ok(()) } else { Err("NVMC with an impossible flash".into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emu_core::{
        bus::Bus,
        device::{Attrs, DevId},
        machine::Machine,
        memory::RegionKind,
    };

    emu_testkit::conformance!(conformance, Nvmc::new(0x40000, 1024));

    const BASE: u64 = 0x4001_E000;

    /// A machine without CPU: flash, UICR and their controller.
    fn machine() -> Machine {
        let mut bus = Bus::default();
        bus.fabric.mem.add_region("flash", 0, 0x40000, RegionKind::Rom);
        bus.fabric.mem.add_region("uicr", UICR, UICR_SIZE, RegionKind::Rom);
        bus.fabric.mem.poke(0, &[0xff; 0x40000]);
        let nvmc = bus.add_device("nvmc", Box::new(Nvmc::new(0x40000, 1024)));
        bus.add_window(BASE, 0x1000, nvmc);
        bus.fabric.mem.set_writer("flash", nvmc);
        bus.fabric.mem.set_writer("uicr", nvmc);
        let mut m = Machine::new("t", bus);
        m.power_on(1);
        m
    }

    fn write(m: &mut Machine, addr: u64, size: u8, v: u64) {
        m.set_pin(DevId(0), 99, false); // the fabric's time becomes the machine's
        m.bus.write(addr, size, v, Attrs::default(), false).unwrap();
    }

    fn read(m: &mut Machine, addr: u64) -> u64 {
        m.set_pin(DevId(0), 99, false);
        m.bus.read(addr, 4, Attrs::default(), false).unwrap()
    }

    fn wait(m: &mut Machine, ns: u64) {
        m.run_until(m.now() + ns);
    }

    #[test]
    fn programming_only_clears_bits_and_needs_wen() {
        let mut m = machine();
        write(&mut m, 0x1000, 4, 0x1234_5678);
        assert_eq!((read(&mut m, 0x1000), m.bus.fabric.errors.total), (0xffff_ffff, 1));
        write(&mut m, BASE + 0x504, 4, 1);
        write(&mut m, 0x1000, 4, 0x1234_5678);
        wait(&mut m, WRITE_NS);
        write(&mut m, 0x1000, 4, 0xffff_0ff0);
        wait(&mut m, WRITE_NS);
        assert_eq!(read(&mut m, 0x1000), 0x1234_0670);
        write(&mut m, 0x1001, 1, 0);
        assert_eq!((read(&mut m, 0x1000), m.bus.fabric.errors.total), (0x1234_0670, 2));
    }

    #[test]
    fn a_word_takes_46_us_in_which_the_cpu_stands_still() {
        let mut m = machine();
        wait(&mut m, 1_000);
        write(&mut m, BASE + 0x504, 4, 1);
        write(&mut m, 0, 4, 0);
        assert_eq!(m.bus.fabric.stalled_until, Time(1_000 + WRITE_NS));
        assert_eq!(read(&mut m, BASE + 0x400), 0);
        wait(&mut m, WRITE_NS - 1);
        assert_eq!(read(&mut m, BASE + 0x400), 0);
        wait(&mut m, 1);
        assert_eq!(read(&mut m, BASE + 0x400), 1);
    }

    #[test]
    fn erasing_a_page_erases_that_page_alone() {
        let mut m = machine();
        m.bus.fabric.mem.poke(0, &[0; 0x2000]);
        write(&mut m, BASE + 0x504, 4, 2);
        write(&mut m, BASE + 0x508, 4, 0x400);
        assert_eq!(m.bus.fabric.stalled_until, Time(ERASE_NS));
        wait(&mut m, ERASE_NS);
        assert_eq!([0x3fc, 0x400, 0x7fc, 0x800].map(|a| read(&mut m, a)), [0, 0xffff_ffff, 0xffff_ffff, 0]);
        for bad in [0x404, 0x40000] {
            write(&mut m, BASE + 0x508, 4, bad);
        }
        write(&mut m, BASE + 0x504, 4, 0);
        write(&mut m, BASE + 0x508, 4, 0x800);
        assert_eq!((read(&mut m, 0x800), m.bus.fabric.errors.total), (0, 3));
    }

    /// Cut the power after `ns` of an operation and say how many of `bytes` bytes at `at` differ in how many bits.
    fn cut(m: &mut Machine, ns: u64, at: u64, bytes: usize) -> u32 {
        let all = |m: &mut Machine| {
            let mut b = vec![0; bytes];
            m.bus.fabric.mem.peek(at, &mut b);
            b
        };
        let before = all(m);
        wait(m, ns);
        m.reset(ResetKind::PowerOn);
        assert_eq!((m.bus.fabric.stalled_until, read(m, BASE + 0x400)), (Time::ZERO, 1));
        before.iter().zip(all(m)).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    #[test]
    fn a_power_cut_leaves_a_word_half_programmed() {
        let changed = |ns, value: u64| {
            let mut m = machine();
            write(&mut m, BASE + 0x504, 4, 1);
            write(&mut m, 0x1000, 4, value);
            let n = cut(&mut m, ns, 0x1000, 4);
            assert_eq!(read(&mut m, 0x1000) & value, value, "a bit that was to stay has fallen");
            n
        };
        assert_eq!(changed(0, 0), 0);
        assert_eq!(changed(WRITE_NS, 0), 32, "it was over");
        assert!((1..32).contains(&changed(WRITE_NS / 2, 0)));
        assert!((1..=16).contains(&changed(WRITE_NS / 2, 0xffff_0000)));
    }

    #[test]
    fn a_power_cut_leaves_a_page_half_erased() {
        let mut last = 0;
        for (sixteenths, most) in [(1, 2_000), (8, 6_000), (15, 8_191)] {
            let mut m = machine();
            m.bus.fabric.mem.poke(0, &[0; 0x1000]);
            write(&mut m, BASE + 0x504, 4, 2);
            write(&mut m, BASE + 0x508, 4, 0x400);
            let n = cut(&mut m, ERASE_NS * sixteenths / 16, 0x400, 0x400);
            assert!(n > last && n <= most, "{n} bits of 8192 after {sixteenths}/16");
            last = n;
            assert_eq!([0x3fc, 0x800].map(|a| read(&mut m, a)), [0, 0]);
        }
    }

    #[test]
    fn other_resets_let_the_operation_end_and_a_failing_supply_forbids_it() {
        let mut m = machine();
        write(&mut m, BASE + 0x504, 4, 1);
        write(&mut m, 0x1000, 4, 0);
        wait(&mut m, 100);
        m.reset(ResetKind::Watchdog);
        assert_eq!(read(&mut m, 0x1000), 0);
        m.set_pin(DevId(0), POWER_FAIL, true);
        write(&mut m, BASE + 0x504, 4, 1);
        write(&mut m, 0x1004, 4, 0);
        wait(&mut m, WRITE_NS);
        assert_eq!((read(&mut m, 0x1004), m.bus.fabric.errors.total), (0xffff_ffff, 1));
    }

    #[test]
    fn uicr_is_programmed_and_erased_alike() {
        let mut m = machine();
        write(&mut m, BASE + 0x504, 4, 2);
        write(&mut m, BASE + 0x514, 4, 1);
        wait(&mut m, ERASE_NS);
        write(&mut m, BASE + 0x504, 4, 1);
        write(&mut m, UICR + 0x80, 4, 0xcafe);
        wait(&mut m, WRITE_NS);
        assert_eq!(read(&mut m, UICR + 0x80), 0xcafe);
        write(&mut m, BASE + 0x504, 4, 2);
        write(&mut m, BASE + 0x50c, 4, 1);
        wait(&mut m, ERASE_NS);
        assert_eq!((read(&mut m, UICR + 0x80), read(&mut m, 0)), (0xffff_ffff, 0xffff_ffff));
    }
}
