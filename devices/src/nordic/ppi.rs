//! PPI (chapter 16): events trigger tasks without the CPU.
//!
//! A hop takes one cycle of the 16 MHz clock: the task happens at the first edge after the event. A channel that feeds
//! itself therefore goes round once a cycle and time goes on.
//!
//! ## Parameters
//! `events` and `tasks`: the addresses of all event and task registers of the chip.
//!
//! ## Pins
//! In: pulse of the event `events[i]` on pin [`EVENT`]` + i`. Out: pulse to the task `tasks[i]` on pin `i`. The
//! tasks of this block's own channel groups need no wire outside but are in `tasks` like all others.

use super::common::{HFCLK, next_hfclk};
use emu_core::{
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    regs,
    regs::Bank,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

regs! {
    /// Table 92.
    pub enum Reg {
        /// Enable the channels of group n.
        TasksChgEn @ 0x000 [4, 8] task,
        /// Disable the channels of group n.
        TasksChgDis @ 0x004 [4, 8] task,
        /// Enabled channels.
        Chen @ 0x500 rw mask 0xfff0ffff,
        /// Enables channels.
        Chenset @ 0x504 w1s mask 0xfff0ffff,
        /// Disables channels.
        Chenclr @ 0x508 w1c mask 0xfff0ffff,
        /// Event end point of channel n.
        Eep @ 0x510 [16, 8] rw,
        /// Task end point of channel n.
        Tep @ 0x514 [16, 8] rw,
        /// Channels of group n.
        Chg @ 0x800 [4, 4] rw mask 0xfff0ffff,
    }
}

/// Inputs: the pulse of `events[i]` comes in on `EVENT + i`.
pub const EVENT: Pin = 0x100;

const TIMER0: u32 = 0x4000_8000;
const RADIO: u32 = 0x4000_1000;
const RTC0: u32 = 0x4000_B000;
const CCM: u32 = 0x4000_F000;
/// Channels 20-31: fixed event and task end points (table 91).
const FIXED: [(u32, u32); 12] = [
    (TIMER0 + 0x140, RADIO),
    (TIMER0 + 0x140, RADIO + 0x004),
    (TIMER0 + 0x144, RADIO + 0x010),
    (RADIO + 0x128, CCM),
    (RADIO + 0x100, CCM),
    (RADIO + 0x104, CCM + 0x004),
    (RADIO + 0x104, TIMER0 + 0x044),
    (RADIO + 0x10c, TIMER0 + 0x048),
    (RTC0 + 0x140, RADIO),
    (RTC0 + 0x140, RADIO + 0x004),
    (RTC0 + 0x140, TIMER0 + 0x00c),
    (RTC0 + 0x140, TIMER0),
];
const FIRST_FIXED: usize = 20;
const CHANNELS: usize = 32;
const BASE: u32 = 0x4001_F000;

/// The interconnect.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ppi {
    bank: Bank<Reg>,
    /// The chip's addresses, shared by all machines of a fleet: they never change.
    events: Arc<[u32]>,
    tasks: Arc<[u32]>,
}

impl Ppi {
    /// An interconnect that knows these event and task addresses.
    pub fn new(events: Vec<u32>, tasks: Vec<u32>) -> Ppi {
        Ppi { bank: Bank::default(), events: events.into(), tasks: tasks.into() }
    }

    /// Event and task end point of a channel.
    fn ends(&self, ch: usize) -> (u32, u32) {
        match ch {
            0..16 => (self.bank.at(Reg::Eep, ch), self.bank.at(Reg::Tep, ch)),
            FIRST_FIXED..CHANNELS => FIXED[ch - FIRST_FIXED],
            _ => (0, 0),
        }
    }

    fn set_enabled(&mut self, v: u32) {
        for r in [Reg::Chen, Reg::Chenset, Reg::Chenclr] {
            self.bank.put(r, v);
        }
    }

    fn group(&mut self, enable: bool, n: usize) {
        let (on, group) = (self.bank.reg(Reg::Chen), self.bank.at(Reg::Chg, n));
        self.set_enabled(if enable { on | group } else { on & !group });
    }

    fn trigger(&mut self, address: u32, cx: &mut Cx) {
        let own = address.wrapping_sub(BASE);
        if own < 0x20 && own.is_multiple_of(4) {
            return self.group(own & 4 == 0, (own / 8) as usize);
        }
        if let Some(i) = self.tasks.iter().position(|t| *t == address) {
            cx.pulse(i as Pin);
        }
    }

    fn check(&self, table: &[u32], address: u32, what: &'static str, cx: &mut Cx) {
        if address != 0 && address.wrapping_sub(BASE) >= 0x20 && !table.contains(&address) {
            cx.guest_error(what);
        }
    }
}

impl Device for Ppi {
    type Reg = Reg;
    const KIND: &'static str = "nordic,nrf51-ppi";
    const NOT_MODELLED: &'static [&'static str] =
        &["several events of one channel within one 16 MHz cycle trigger its task once"];

    fn bank(&mut self) -> &mut Bank<Reg> {
        &mut self.bank
    }

    fn reset(&mut self, _: ResetKind, _: &mut Cx) {
        self.bank.reset();
    }

    fn write(&mut self, r: Reg, _: usize, v: u32, cx: &mut Cx) {
        match r {
            Reg::Chen | Reg::Chenset | Reg::Chenclr => self.set_enabled(v),
            Reg::Eep => self.check(&self.events, v, "PPI EEP is the address of no event", cx),
            Reg::Tep => self.check(&self.tasks, v, "PPI TEP is the address of no task", cx),
            _ => {}
        }
    }

    fn task(&mut self, r: Reg, n: usize, _: &mut Cx) {
        self.group(r == Reg::TasksChgEn, n);
    }

    fn pulse_in(&mut self, pin: Pin, cx: &mut Cx) {
        let Some(&address) = self.events.get(usize::from(pin.wrapping_sub(EVENT))) else { return };
        let mut enabled = self.bank.reg(Reg::Chen);
        while enabled != 0 {
            let ch = enabled.trailing_zeros() as usize;
            enabled &= enabled - 1;
            if self.ends(ch).0 == address {
                let at = next_hfclk(cx);
                cx.at(at, ch as Tag);
            }
        }
    }

    fn event(&mut self, ch: Tag, cx: &mut Cx) {
        debug_assert_eq!(HFCLK.edge(HFCLK.ticks(cx.now())), cx.now(), "a hop ends on an edge");
        let (_, task) = self.ends(usize::from(ch) % CHANNELS);
        self.trigger(task, cx);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nordic::timer::{self, Timer};
    use emu_core::{
        Machine,
        bus::Bus,
        device::{Attrs, DevId},
        ids::Sink,
        regs::RegSet,
        time::Time,
    };

    emu_testkit::conformance!(conformance, Ppi::new(vec![0x4000_8140], vec![0x4000_8000]));

    const COMPARE: [u32; 4] = [TIMER0 + 0x140, TIMER0 + 0x144, TIMER0 + 0x148, TIMER0 + 0x14c];
    const TASKS: [u32; 6] =
        [TIMER0, TIMER0 + 4, TIMER0 + 8, TIMER0 + 0xc, TIMER0 + 0x1000 + 8, TIMER0 + 0x1000 + 0x40];
    const TIMER1: u32 = TIMER0 + 0x1000;

    /// TIMER0, TIMER1 and the PPI between them, on a machine without CPU.
    fn machine() -> Machine {
        let mut bus = Bus::default();
        let t0 = bus.add_device("timer0", Box::new(Timer::new(32)));
        let t1 = bus.add_device("timer1", Box::new(Timer::new(16)));
        let mut events = COMPARE.to_vec();
        events.push(TIMER1 + 0x140);
        let ppi = bus.add_device("ppi", Box::new(Ppi::new(events, TASKS.to_vec())));
        for (base, dev) in [(TIMER0, t0), (TIMER1, t1), (BASE, ppi)] {
            bus.add_window(u64::from(base), 0x1000, dev);
        }
        for i in 0..4 {
            let pin = timer::Reg::EventsCompare.slot(i);
            bus.connect((t0, pin), Sink::Device(ppi, EVENT + i as Pin));
        }
        bus.connect((t1, timer::Reg::EventsCompare.slot(0)), Sink::Device(ppi, EVENT + 4));
        for (i, address) in TASKS.iter().enumerate() {
            let dev = if address & 0x1000 == 0 { t0 } else { t1 };
            let (r, n) = timer::Reg::decode(address & 0xfff).unwrap();
            bus.connect((ppi, i as Pin), Sink::Device(dev, r.slot(n)));
        }
        let mut m = Machine::new("t", bus);
        m.power_on(1);
        m
    }

    fn w(m: &mut Machine, addr: u32, v: u32) {
        m.set_pin(DevId(0), 99, false);
        m.bus.write(u64::from(addr), 4, u64::from(v), Attrs::default(), false).unwrap();
    }

    fn r(m: &mut Machine, addr: u32) -> u32 {
        m.set_pin(DevId(0), 99, false);
        m.bus.read(u64::from(addr), 4, Attrs::default(), false).unwrap() as u32
    }

    /// Channel `ch` leads `event` to `task`.
    fn channel(m: &mut Machine, ch: u32, event: u32, task: u32) {
        w(m, BASE + 0x510 + 8 * ch, event);
        w(m, BASE + 0x514 + 8 * ch, task);
        w(m, BASE + 0x504, 1 << ch);
    }

    #[test]
    fn a_hop_takes_one_cycle() {
        let mut m = machine();
        w(&mut m, TIMER0 + 0x510, 0);
        w(&mut m, TIMER0 + 0x540, 10);
        channel(&mut m, 3, COMPARE[0], TIMER0 + 4); // compare stops the timer
        w(&mut m, TIMER0, 1);
        m.run_until(Time(625)); // the compare is at tick 10
        assert_eq!(r(&mut m, COMPARE[0]), 1);
        m.run_until(Time::us(10));
        w(&mut m, TIMER0 + 0x44, 1);
        assert_eq!(r(&mut m, TIMER0 + 0x544), 11);
    }

    #[test]
    fn one_event_feeds_several_channels_and_groups_switch_them() {
        let mut m = machine();
        w(&mut m, TIMER1 + 0x504, 1);
        w(&mut m, TIMER1, 1);
        w(&mut m, TIMER0 + 0x540, 10);
        w(&mut m, TIMER0 + 0x200, 1); // clear at compare: every 10 us
        channel(&mut m, 0, COMPARE[0], TIMER1 + 8);
        channel(&mut m, 1, COMPARE[0], TIMER1 + 8);
        w(&mut m, TIMER0, 1);
        let count = |m: &mut Machine| {
            w(m, TIMER1 + 0x44, 1);
            r(m, TIMER1 + 0x544)
        };
        m.run_until(Time::us(35));
        assert_eq!(count(&mut m), 6);
        w(&mut m, BASE + 0x800, 1 << 1);
        w(&mut m, BASE + 0x004, 1);
        assert_eq!(r(&mut m, BASE + 0x500), 1);
        m.run_until(Time::us(55));
        assert_eq!(count(&mut m), 8);
        w(&mut m, BASE, 1);
        assert_eq!(r(&mut m, BASE + 0x508), 3);
        channel(&mut m, 2, COMPARE[0], BASE + 0x004); // a channel may switch a group off
        m.run_until(Time::us(75));
        assert_eq!((count(&mut m), r(&mut m, BASE + 0x500)), (11, 0b101));
    }

    #[test]
    fn a_channel_that_feeds_itself_goes_round_once_a_cycle() {
        let mut m = machine();
        w(&mut m, TIMER1 + 0x504, 1);
        w(&mut m, TIMER1 + 0x508, 1);
        w(&mut m, TIMER1 + 0x200, 1); // back to 0 at every match with CC[0] = 1
        w(&mut m, TIMER1 + 0x540, 1);
        w(&mut m, TIMER1, 1);
        channel(&mut m, 0, TIMER1 + 0x140, TIMER1 + 8);
        w(&mut m, TIMER1 + 8, 1);
        m.run_until(Time::us(1));
        w(&mut m, TIMER1 + 0x140, 0);
        assert!(m.next_activity() <= m.now() + 63);
        m.run_until(Time::us(2));
        assert_eq!(r(&mut m, TIMER1 + 0x140), 1);
    }

    #[test]
    fn the_fixed_channels_are_there_and_wrong_addresses_are_noted() {
        let mut m = machine();
        w(&mut m, TIMER1 + 0x504, 1);
        w(&mut m, BASE + 0x504, 1 << 31 | 1 << 17);
        assert_eq!(r(&mut m, BASE + 0x500), 1 << 31);
        assert_eq!(Ppi::new(vec![], vec![]).ends(31), (RTC0 + 0x140, TIMER0));
        assert_eq!(Ppi::new(vec![], vec![]).ends(22), (TIMER0 + 0x144, RADIO + 0x010));
        w(&mut m, BASE + 0x510, 0x4000_0000);
        assert_eq!(m.bus.fabric.errors.total, 1);
    }
}
