//! The registry's lines for the MPS2's blocks.

use super::*;
use crate::registry::{Kind, Params, PortInfo, kind, outside, pin, pins};
use emu_core::machine::PortKind;

const LINE: &[PortInfo] = &[outside("line", 0, PortKind::Serial)];

fn scc_config(p: &Params) -> scc::Config {
    let word = |key| p.word(key).unwrap_or(0);
    let oscclk = p.uints("oscclk").unwrap_or_default();
    scc::Config {
        id: word("id"),
        aid: word("aid"),
        cfg4: word("cfg4"),
        oscclk: oscclk.into_iter().map(|hz| hz as u32).collect(),
    }
}

/// All of them.
pub static KINDS: &[Kind] = &[
    kind!(dualtimer::DualTimer, |p| dualtimer::DualTimer::new(p.hz("clock")), pins: &[
        pin("irq", dualtimer::TIMINTC),
        pin("timer1", dualtimer::TIMINT1),
        pin("timer2", dualtimer::TIMINT2),
    ]),
    kind!(fpgaio::Fpgaio, |p| fpgaio::Fpgaio::new(p.hz("clock")), pins: &[
        pins("led", fpgaio::LED0, 2),
        pins("button", fpgaio::BUTTON0, 2),
    ]),
    kind!(gpio::Gpio, |_| gpio::Gpio::default(), pins: &[
        pin("irq", gpio::COMBINT),
        pins("in", gpio::IN0, gpio::PINS),
        pins("p", gpio::IN0, gpio::PINS),
        pins("irq", gpio::GPIOINT0, gpio::PINS),
        pins("out", gpio::OUT0, gpio::PINS),
    ], pads: gpio::PINS),
    kind!(scc::Scc, |p| scc::Scc::new(scc_config(p))),
    kind!(timer::Timer, |p| timer::Timer::new(p.hz("clock")), pins: &[
        pin("irq", timer::TIMERINT),
        pin("extin", timer::EXTIN),
    ]),
    kind!(uart::Uart, |p| uart::Uart::new(p.hz("clock"), p.bool("instant_tx").unwrap_or(false)), pins: &[
        pin("irq", uart::UARTINT),
        pin("tx", uart::TXINT),
        pin("rx", uart::RXINT),
        pin("txovr", uart::TXOVRINT),
        pin("rxovr", uart::RXOVRINT),
    ], ports: LINE),
    kind!(watchdog::Watchdog, |p| watchdog::Watchdog::new(p.hz("clock")), pins: &[
        pin("irq", watchdog::WDOGINT),
        pin("reset", watchdog::WDOGRES),
    ]),
];
