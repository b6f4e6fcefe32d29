//! What the nRF51 peripherals have in common: event registers, INTENSET/INTENCLR, the POWER register and the clocks
//! (nRF51 Series Reference Manual v3.0, chapter 10 "Peripheral interface").
//!
//! ## Pins
//! Every block with an interrupt drives [`IRQ`]. An event register's pulse comes out on the pin
//! `Reg::EventsX.slot(i)`, a task is triggered by a pulse on the pin `Reg::TasksX.slot(i)`; the tables declare tasks
//! and events first, so that their slots lie below [`IRQ`].

use emu_core::{
    Clock, Time,
    device::{Cx, Device, Pin, ResetKind},
    events::Tag,
    regs::{Access, Bank, RegInfo, RegSet, first_slot},
};

/// The interrupt output of every nRF51 block. Event pulses use the pins below it, other wires those above.
pub const IRQ: Pin = 32;

/// The 16 MHz peripheral clock; its edges are the CPU's.
pub const HFCLK: Clock = Clock::hz(16_000_000);

/// Frequency of the low-frequency clock in Hz.
pub const LFCLK_HZ: u64 = 32_768;

/// A register file with events and their interrupt enables (10.1.6).
///
/// INTENSET and INTENCLR are declared `w1s` and `w1c`; both always hold the value of INTEN.
pub trait Block: RegSet {
    /// The INTENSET register.
    const INTENSET: Self;
    /// The INTENCLR register.
    const INTENCLR: Self;
    /// The storage word of the event that each bit of INTEN enables; [`NO_SLOT`]: there is none.
    const EVENT_SLOTS: [u16; 32] = event_slots(Self::TABLE);
}

const NO_SLOT: u16 = u16::MAX;

const fn event_slots(table: &[RegInfo]) -> [u16; 32] {
    let mut slots = [NO_SLOT; 32];
    let mut r = 0;
    while r < table.len() {
        let info = &table[r];
        let mut i = 0;
        while i < info.count && matches!(info.access, Access::Event) {
            let bit = event_bit(info, i).trailing_zeros() as usize;
            assert!(slots[bit] == NO_SLOT, "two events with one bit in INTEN");
            slots[bit] = (first_slot(table, r) + i as usize) as u16;
            i += 1;
        }
        r += 1;
    }
    slots
}

/// The bit of element `i` of an event register in INTEN and EVTEN: by its offset.
pub const fn event_bit(info: &RegInfo, i: u32) -> u32 {
    1 << ((info.offset + 4 * i - 0x100) / 4 % 32)
}

/// Whether event `ev[i]` is enabled in INTEN.
pub fn int_enabled<R: Block>(bank: &Bank<R>, ev: R, i: usize) -> bool {
    bank.reg(R::INTENSET) & event_bit(ev.info(), i as u32) != 0
}

/// Drives the interrupt output from the events and their enables.
pub fn update_irq<R: Block>(bank: &Bank<R>, cx: &mut Cx) {
    let mut enabled = bank.reg(R::INTENSET);
    let mut pending = false;
    while enabled != 0 {
        pending |= bank.word(R::EVENT_SLOTS[enabled.trailing_zeros() as usize]) != 0;
        enabled &= enabled - 1;
    }
    cx.wire(IRQ, pending);
}

/// An event happens: its register is set, its pulse goes out, the interrupt follows.
pub fn raise<R: Block>(bank: &mut Bank<R>, ev: R, i: usize, cx: &mut Cx) {
    bank.put_at(ev, i, 1);
    cx.pulse(ev.slot(i));
    update_irq(bank, cx);
}

/// Handles a write to an event register, INTENSET or INTENCLR; `false` if it was another register.
pub fn write_common<R: Block>(bank: &mut Bank<R>, r: R, cx: &mut Cx) -> bool {
    if r == R::INTENSET {
        bank.put(R::INTENCLR, bank.reg(r));
    } else if r == R::INTENCLR {
        bank.put(R::INTENSET, bank.reg(r));
    } else if r.info().access != Access::Event {
        return false;
    }
    update_irq(bank, cx);
    true
}

/// POWER was written with 0: the block loses its state (10.1.2).
pub fn power_off<D: Device>(dev: &mut D, tags: &[Tag], cx: &mut Cx) {
    for tag in tags {
        cx.cancel(*tag);
    }
    dev.reset(ResetKind::Soft, cx);
}

/// The bit clock of a UART, SPI or TWI: BAUDRATE and FREQUENCY hold `rate * 2^32 / 16 MHz`.
pub fn bit_clock(rate: u32) -> Clock {
    Clock::ratio(16_000_000 * u64::from(rate.max(1)), 1 << 32)
}

/// The first edge of [`HFCLK`] after the present.
pub fn next_hfclk(cx: &mut Cx) -> Time {
    HFCLK.edge(HFCLK.ticks(cx.now()) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_rates_are_the_manuals() {
        assert_eq!(bit_clock(0x0400_0000).span(1), 4_000); // 250 kbit/s
        assert_eq!(bit_clock(0x8000_0000).span(8), 1_000); // 8 Mbit/s
        assert_eq!(bit_clock(0x01D7_E000).span(1), 8_681); // 115200 baud: 8.680 us
        assert_eq!(bit_clock(0).span(1) / 1_000_000_000, 268); // slowest, no division by zero
    }

    /// Event pulses and IRQ share the pin numbers: no slot of an event may reach IRQ.
    fn events_lie_below_irq<R: RegSet>() {
        for (r, info) in R::TABLE.iter().enumerate() {
            if info.access == Access::Event {
                assert!(R::from_index(r).slot(info.count as usize - 1) < IRQ, "{}", info.name);
            }
        }
    }

    #[test]
    fn no_event_collides_with_irq() {
        use crate::nordic::*;
        events_lie_below_irq::<adc::Reg>();
        events_lie_below_irq::<ccm_aar::Reg>();
        events_lie_below_irq::<ecb::Reg>();
        events_lie_below_irq::<gpiote::Reg>();
        events_lie_below_irq::<power_clock::Reg>();
        events_lie_below_irq::<rng::Reg>();
        events_lie_below_irq::<rtc::Reg>();
        events_lie_below_irq::<spi_twi::Reg>();
        events_lie_below_irq::<temp::Reg>();
        events_lie_below_irq::<timer::Reg>();
        events_lie_below_irq::<uart::Reg>();
        events_lie_below_irq::<wdt::Reg>();
    }
}
