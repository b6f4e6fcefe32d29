//! The registry's lines for Nordic's blocks.

use super::*;
use crate::registry::{Kind, PinInfo, PortInfo, regs_of};
use emu_core::machine::PortKind;

const fn pin(name: &'static str, first: u16) -> PinInfo {
    PinInfo { name, first, count: 0 }
}
const fn pins(name: &'static str, first: u16, count: u16) -> PinInfo {
    PinInfo { name, first, count }
}
const IRQ: PinInfo = pin("irq", common::IRQ);
const NONE: Kind = Kind {
    name: "",
    create: |_| unreachable!("every line names its model"),
    regs: || &[],
    pins: &[IRQ],
    ports: &[],
    interconnect: None,
};

macro_rules! kind {
    ($t:ty, $new:expr $(, $field:ident: $value:expr)*) => {
        Kind {
            name: <$t as emu_core::device::Device>::KIND,
            create: |p| { let _ = p; let new: fn(&crate::registry::Params) -> $t = $new; Box::new(new(p)) },
            regs: regs_of::<$t>,
            $($field: $value,)*
            ..NONE
        }
    };
}

/// All of them.
pub static KINDS: &[Kind] = &[
    kind!(ficr::Ficr, |p| ficr::Ficr::new(ficr::Params {
        device_id: p.uint("device_id"),
        ..ficr::Params::default()
    })),
    kind!(gpio::Gpio, |p| gpio::Gpio::new(p.uint("driven").unwrap_or(0) as u32), pins: &[
        pin("detect", gpio::DETECT),
        pins("sensed", gpio::SENSED, 32),
        pins("own", gpio::TASK_OWN, 32),
        pins("level", gpio::TASK_LEVEL, 32),
        pins("p", 0, 32),
    ]),
    kind!(gpiote::Gpiote, |_| gpiote::Gpiote::new(), pins: &[
        IRQ,
        pin("detect", gpiote::DETECT),
        pins("p", 0, 32),
        pins("own", gpiote::OWN, 32),
        pins("level", gpiote::LEVEL, 32),
    ]),
    kind!(nvmc::Nvmc, |p| nvmc::Nvmc::new(
        p.uint("flash").unwrap_or(0x4_0000) as u32,
        p.uint("page").unwrap_or(0x400) as u32
    )),
    kind!(power_clock::PowerClock, |_| power_clock::PowerClock::new(), pins: &[
        IRQ,
        pin("lfclk", power_clock::LFCLK),
        pin("detect", power_clock::DETECT),
    ]),
    kind!(ppi::Ppi, |p| ppi::Ppi::new(
        p.events.iter().map(|e| e.0).collect(),
        p.tasks.iter().map(|t| t.0).collect()
    ), pins: &[], interconnect: Some(ppi::EVENT)),
    kind!(rng::Rng, |_| rng::Rng::new()),
    kind!(rtc::Rtc, |_| rtc::Rtc::new(), pins: &[IRQ, pin("lfclk", rtc::LFCLK)]),
    kind!(temp::Temp, |_| temp::Temp::new()),
    kind!(timer::Timer, |p| timer::Timer::new(p.uint("bits").unwrap_or(16) as u8)),
    kind!(uart::Uart, |p| {
        let line = p.uints("line").filter(|l| l.len() == 2);
        uart::Uart::new(line.map(|l| (l[0] as u8, l[1] as u8)))
    }, pins: &[IRQ, pin("rts", uart::RTS), pin("cts", uart::CTS)],
        ports: &[PortInfo { name: "line", port: 0, kind: Some(PortKind::Serial) }]),
];
