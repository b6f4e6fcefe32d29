//! SMSC (now Microchip): Ethernet controllers.

pub mod kinds;
pub mod lan9118;
mod lan9118_csr;
mod lan9118_phy;
mod lan9118_regs;
mod lan9118_rx;
#[cfg(test)]
mod lan9118_tests;
mod lan9118_tx;
