//! The registry's lines for Nordic's blocks.

use super::*;
use crate::registry::{Kind, PinInfo, further, kind, outside, pin, pins, port};
use emu_core::machine::PortKind;

const IRQ: PinInfo = pin("irq", common::IRQ);
/// All of them.
pub static KINDS: &[Kind] = &[
    kind!(adc::Adc, |_| adc::Adc::new(), pins: &[IRQ]),
    kind!(ccm_aar::CcmAar, |_| ccm_aar::CcmAar::new(), pins: &[IRQ, pin("receiving", ccm_aar::RECEIVING)]),
    kind!(ecb::Ecb, |_| ecb::Ecb::new(), pins: &[IRQ]),
    kind!(wdt::Wdt, |_| wdt::Wdt::new(), pins: &[IRQ]),
    kind!(ficr::Ficr, |p| ficr::Ficr::new(ficr::Params {
        device_id: p.uint("device_id"),
        ..ficr::Params::default()
    })),
    kind!(gpio::Gpio, |p| gpio::Gpio::new(
        p.word("driven").unwrap_or(0),
        p.word("driven_high").unwrap_or(0),
        p.word("pull_ups").unwrap_or(0)
    ), pins: &[
        pin("detect", gpio::DETECT),
        pins("sensed", gpio::SENSED, 32),
        pins("own", gpio::TASK_OWN, 32),
        pins("level", gpio::TASK_LEVEL, 32),
        pins("p", 0, 32),
    ], pads: 32),
    kind!(gpiote::Gpiote, |_| gpiote::Gpiote::new(), pins: &[
        IRQ,
        pin("detect", gpiote::DETECT),
        pins("p", 0, 32),
        pins("own", gpiote::OWN, 32),
        pins("level", gpiote::LEVEL, 32),
    ]),
    kind!(nvmc::Nvmc, |p| nvmc::Nvmc::new(
        p.within("flash", 4..=nvmc::MOST_FLASH.into()).unwrap_or(0x4_0000) as u32,
        p.within("page", 4..=nvmc::MOST_PAGE.into()).unwrap_or(0x400) as u32
    ), pins: &[pin("powerfail", nvmc::POWER_FAIL)]),
    kind!(part_id::PartId, |p| part_id::PartId::new(p.within("revision", 0..=255).unwrap_or(4) as u8), pins: &[]),
    kind!(power_clock::PowerClock, |_| power_clock::PowerClock::new(), pins: &[
        IRQ,
        pin("lfclk", power_clock::LFCLK),
        pin("detect", power_clock::DETECT),
        pin("powerfail", power_clock::POWER_FAIL),
    ]),
    kind!(ppi::Ppi, |p| ppi::Ppi::new(
        p.events.iter().map(|e| e.0).collect(),
        p.tasks.iter().map(|t| t.0).collect()
    ), pins: &[], interconnect: Some(ppi::EVENT)),
    kind!(radio::Radio, |_| radio::Radio::new(), pins: &[IRQ, pin("receiving", radio::RECEIVING)],
        ports: &[outside("antenna", 0, PortKind::Radio)]),
    kind!(rng::Rng, |_| rng::Rng::new(), pins: &[IRQ]),
    kind!(rtc::Rtc, |_| rtc::Rtc::new(), pins: &[IRQ, pin("lfclk", rtc::LFCLK)]),
    kind!(temp::Temp, |_| temp::Temp::new(), pins: &[IRQ]),
    kind!(spi_twi::SpiTwi, |p| spi_twi::SpiTwi::new(p.two_pins("bus")), pins: &[IRQ], ports: &[
        port("i2c", spi_twi::I2C),
        port("spi", spi_twi::SPI),
    ]),
    kind!(timer::Timer, |p| timer::Timer::new(p.within("bits", 16..=32).unwrap_or(16) as u8), pins: &[IRQ]),
    kind!(uart::Uart, |p| uart::Uart::new(p.two_pins("line")), pins: &[IRQ, pin("rts", uart::RTS), pin("cts", uart::CTS)],
        ports: &[outside("line", uart::LINE, PortKind::Serial), further("edge", uart::EDGE, PortKind::Serial)]),
];
