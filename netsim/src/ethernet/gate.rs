//! The gateway that a switch may have, on a port of its own.

use super::{EthernetMedium, GATEWAY, LinkConfig};
use crate::gateway::{Gateway, HostEvent, HostRequest};
use emu_core::{Time, link::Msg};

impl EthernetMedium {
    /// Gives the switch a gateway behind a link of its own; one that it had is gone with all it knew.
    pub fn set_gateway(&mut self, gateway: Gateway, link: LinkConfig) {
        self.gateway = Some(Box::new(gateway));
        self.link(GATEWAY, link);
    }

    /// The gateway.
    pub fn gateway(&self) -> Option<&Gateway> {
        self.gateway.as_deref()
    }

    /// The host's side tells the gateway something, at a time that no [`EthernetMedium::run_until`] has passed. What it
    /// sends to stations for it takes as long as any frame does.
    pub fn host(&mut self, at: Time, event: &HostEvent) {
        self.advance(at);
        self.gateway_acts(at, |gateway| gateway.host(at, event));
    }

    /// What the gateway wants of the host, in order.
    pub fn take_requests(&mut self) -> Vec<HostRequest> {
        self.gateway.as_mut().map(|g| g.take_requests()).unwrap_or_default()
    }

    /// When the gateway next does something by itself. One that is called has no timer at this instant any more.
    pub(super) fn gateway_due(&self) -> Option<Time> {
        let next = self.gateway.as_ref()?.next();
        Some(next.max(self.gateway_called + 1)).filter(|t| *t < Time::MAX)
    }

    /// Calls the gateway; the frames that leave it start now.
    pub(super) fn gateway_acts(&mut self, now: Time, call: impl FnOnce(&mut Gateway)) {
        let Some(gateway) = &mut self.gateway else { return };
        call(gateway);
        self.gateway_called = now;
        for bytes in gateway.take_frames() {
            let Some(port) = self.ports.get_mut(&GATEWAY) else { return };
            let number = port.acts;
            port.acts = port.acts.wrapping_add(1);
            self.start(now, GATEWAY, number, bytes);
        }
    }

    /// A frame reaches the gateway; one with a wrong FCS its MAC drops.
    pub(super) fn at_gateway(&mut self, now: Time, msg: &Msg) {
        if let Msg::Frame(bytes) = msg {
            self.gateway_acts(now, |gateway| gateway.frame(now, bytes));
        }
    }
}
