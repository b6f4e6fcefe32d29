//! A medium of any kind, as a fleet holds it.

use crate::{
    ethernet::{EthernetFault, EthernetMedium, LoggedFrame},
    gateway::{HostEvent, HostRequest},
    line::{LineFault, LineMedium, LoggedByte},
    radio::{self, FrameLog, RadioFault, RadioMedium},
};
use emu_core::{Time, link::Msg};
use serde::{Deserialize, Serialize};

/// What a station gets to hear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// When.
    pub at: Time,
    /// Who.
    pub station: u32,
    /// What.
    pub msg: Msg,
}

/// A medium of a closed set of kinds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Medium {
    /// The air at 2.4 GHz. Its stations have the numbers of the nodes.
    Radio(RadioMedium),
    /// A switch.
    Ethernet(EthernetMedium),
    /// A serial line or a wire between stations 0 and 1.
    Line(LineMedium),
}

/// A disturbance of a medium. One of another kind of medium does nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Fault {
    /// A station is taken away, or comes back: it is neither heard nor hears.
    Present {
        /// Which.
        station: u32,
        /// It is there.
        present: bool,
    },
    /// Of the air.
    Radio(RadioFault),
    /// Of a switch and its links.
    Ethernet(EthernetFault),
    /// Of a line.
    Line(LineFault),
}

/// Something that passed a medium, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Logged {
    /// A frame on the air.
    Radio(FrameLog),
    /// A frame through a switch.
    Ethernet(LoggedFrame),
    /// A byte on a serial line.
    Line(LoggedByte),
}

impl Logged {
    /// Its first bit.
    pub fn at(&self) -> Time {
        match self {
            Logged::Radio(f) => f.at,
            Logged::Ethernet(f) => f.at,
            Logged::Line(b) => b.start,
        }
    }
}

impl Medium {
    /// Disturbs the medium at `at`, before the acts of that instant.
    pub fn fault(&mut self, at: Time, fault: &Fault) {
        match (self, fault) {
            (Medium::Radio(m), Fault::Present { station: node, present }) => {
                let node = *node;
                m.fault(at, &if *present { RadioFault::Unmute { node } } else { RadioFault::Mute { node } });
            }
            (Medium::Radio(m), Fault::Radio(fault)) => m.fault(at, fault),
            (Medium::Ethernet(m), Fault::Present { station, present }) => {
                let stations = vec![*station];
                m.fault(
                    at,
                    &if *present { EthernetFault::Up { stations } } else { EthernetFault::Down { stations } },
                );
            }
            (Medium::Line(m), Fault::Present { present, .. }) => {
                m.fault(at, if *present { &LineFault::Restore } else { &LineFault::Cut });
            }
            (Medium::Ethernet(m), Fault::Ethernet(fault)) => m.fault(at, fault),
            (Medium::Line(m), Fault::Line(fault)) => m.fault(at, fault),
            _ => {}
        }
    }

    /// Least nanoseconds from an act to its first effect on another station.
    pub fn latency(&self) -> u64 {
        match self {
            Medium::Radio(m) => m.latency(),
            Medium::Ethernet(m) => m.latency(),
            Medium::Line(m) => m.latency(),
        }
    }

    /// When the medium next decides something; it must know every act up to then.
    pub fn next_decision(&self) -> Time {
        match self {
            Medium::Radio(m) => m.next_decision(),
            Medium::Ethernet(m) => m.next_decision(),
            Medium::Line(m) => m.next_decision(),
        }
    }

    /// A station does something. Acts come in the order (time, node, sequence).
    pub fn act(&mut self, station: u32, at: Time, msg: &Msg) {
        match (self, msg) {
            (Medium::Radio(m), Msg::Radio(act)) => m.act(station, at, act),
            (Medium::Radio(_), _) => {}
            (Medium::Ethernet(m), msg) => m.act(station, at, msg),
            (Medium::Line(m), msg) => m.act(station, at, msg),
        }
    }

    /// Decides everything due up to and including `t`.
    pub fn run_until(&mut self, t: Time) -> Vec<Delivery> {
        match self {
            Medium::Radio(m) => {
                let heard =
                    |d: radio::Delivery| Delivery { at: d.at, station: d.node, msg: Msg::Air(d.event) };
                m.run_until(t).into_iter().map(heard).collect()
            }
            Medium::Ethernet(m) => m.run_until(t),
            Medium::Line(m) => m.run_until(t),
        }
    }

    /// A station's measurement is over at `at`, up to which everything is decided and before which every act is known: the
    /// answer, if there was one.
    pub fn answer(&mut self, station: u32, at: Time) -> Option<Delivery> {
        let Medium::Radio(m) = self else { return None };
        m.answer(station, at).map(|d| Delivery { at: d.at, station: d.node, msg: Msg::Air(d.event) })
    }

    /// What was loaded fits so many stations at `now`.
    pub fn fits(&self, stations: u32, now: Time) -> bool {
        match self {
            Medium::Radio(m) => m.fits(stations, now),
            Medium::Ethernet(m) => m.fits(stations, now),
            Medium::Line(m) => m.fits(stations, now),
        }
    }

    /// Keeps a log from now on. It is no state: neither saved nor digested.
    pub fn log(&mut self) {
        match self {
            Medium::Radio(m) => m.log_frames(),
            Medium::Ethernet(m) => m.log_frames(),
            Medium::Line(m) => m.log_bytes(),
        }
    }

    /// What is over and was not taken yet; `all`: what is still under way, too.
    pub fn take_log(&mut self, all: bool) -> Vec<Logged> {
        match self {
            Medium::Radio(m) => m.take_log().into_iter().map(Logged::Radio).collect(),
            Medium::Ethernet(m) if all => m.finish_log().into_iter().map(Logged::Ethernet).collect(),
            Medium::Ethernet(m) => m.take_log().into_iter().map(Logged::Ethernet).collect(),
            Medium::Line(m) => m.take_log().into_iter().map(Logged::Line).collect(),
        }
    }

    /// The host's side of a gateway tells it something at `at`.
    pub fn host(&mut self, at: Time, event: &HostEvent) {
        if let Medium::Ethernet(m) = self {
            m.host(at, event);
        }
    }

    /// What a gateway wants of the host.
    pub fn take_requests(&mut self) -> Vec<HostRequest> {
        match self {
            Medium::Ethernet(m) => m.take_requests(),
            _ => vec![],
        }
    }
}
