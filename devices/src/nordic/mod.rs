//! Nordic Semiconductor nRF51 blocks, after the nRF51 Series Reference Manual v3.0.

pub mod adc;
pub mod ccm_aar;
pub mod common;
pub mod ecb;
pub mod ficr;
pub mod gpio;
pub mod gpiote;
pub mod kinds;
pub mod nvmc;
pub mod part_id;
pub mod power_clock;
pub mod ppi;
pub mod radio;
pub mod radio_codec;
pub mod radio_regs;
mod radio_rx;
pub mod rng;
pub mod rtc;
pub mod spi_twi;
pub mod temp;
pub mod timer;
pub mod uart;
pub mod wdt;
