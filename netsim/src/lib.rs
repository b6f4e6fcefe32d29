//! Media between machines. Knows frames and metres, not machines; the types of time and frames are `emu-core`'s.
//!
//! A medium takes acts in the order (time, node, sequence), makes its decisions each at its own instant, and gives
//! deliveries. It is plain data: a clone is a fork, its serde form is saved and digested.
#![warn(missing_docs)]

pub mod config;
pub mod ethernet;
pub mod gateway;
pub mod line;
mod math;
pub mod medium;
pub mod pcapng;
pub mod phy;
pub mod radio;
mod space;

pub use config::{Edge, Propagation, RadioConfig};
pub use medium::Medium;
pub use radio::{Counters, Delivery, Fate, FrameLog, Jammer, Pattern, RadioFault, RadioMedium};
