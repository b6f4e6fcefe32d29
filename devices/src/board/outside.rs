//! What leads out of a machine: ports, consoles, pads.

use super::Builder;
use crate::{registry, source::nearest};
use emu_core::{
    device::{DevId, Port},
    fabric::Console,
    machine::{ExternalPort, PortKind},
};

impl Builder<'_> {
    /// Ports that nothing inside the machine is linked to; serial ones are consoles, and so is semihosting.
    pub(super) fn external_ports(&mut self) -> Vec<ExternalPort> {
        let mut all = vec![];
        for d in &self.devices {
            let open = |p: &&registry::PortInfo| !d.linked.contains(&p.port);
            let open: Vec<_> = d.kind.ports.iter().filter(open).collect();
            for p in open {
                let Some(kind) = p.kind else { continue };
                let name = if p.main { d.name.clone() } else { format!("{}.{}", d.name, p.name) };
                if p.main && kind == PortKind::Serial {
                    self.bus.fabric.consoles.push(console(&name, d.id, p.port));
                }
                all.push(ExternalPort { name, dev: d.id, port: p.port, kind });
            }
        }
        self.read_pads(&mut all);
        let (name, dev) = ("semihost".to_string(), DevId::cpu(0));
        self.bus.fabric.consoles.push(console(&name, dev, 0));
        all.push(ExternalPort { name, dev, port: 0, kind: PortKind::Semihost });
        all
    }

    /// Pins that the board leads out, under the names its print or manual gives them.
    fn read_pads(&self, all: &mut Vec<ExternalPort>) {
        for root in &self.roots {
            let Some(tab) = root.table("pads") else { continue };
            for (name, item) in root.entries("pads") {
                let report = |message: String, help| tab.report(name, message, help);
                let Some(text) = item.as_str() else {
                    report("a pad leads to a pin, `device.pin`".into(), None);
                    continue;
                };
                let (dev, pin) = text.split_once('.').unwrap_or((text, ""));
                let Some(d) = self.devices.iter().find(|d| d.name == dev) else {
                    let help = nearest(dev, self.devices.iter().map(|d| &d.name[..]));
                    report(format!("no device is called `{dev}`"), help);
                    continue;
                };
                let found = d.kind.pin_range(pin).filter(|(first, n)| first + n <= d.kind.pads);
                let Some((first, n)) = found else {
                    report(format!("`{dev}` has no pin `{pin}` that can lead out"), None);
                    continue;
                };
                let names = pad_names(name, n);
                if names.len() != usize::from(n) {
                    report(format!("{} names for {n} pins", names.len()), None);
                }
                for (name, pin) in names.into_iter().zip(first..) {
                    let port = ExternalPort { name, dev: d.id, port: pin as Port, kind: PortKind::Pin };
                    match all.iter().any(|p| p.name == port.name) {
                        true => report(format!("`{}` is there already", port.name), None),
                        false => all.push(port),
                    }
                }
            }
        }
    }
}

fn console(name: &str, dev: DevId, port: Port) -> Console {
    Console { name: name.into(), dev, port, len: 0, hash: 0 }
}

/// `name`, or for more pins than one `nameA-B` with the numbers A to B.
fn pad_names(name: &str, pins: u16) -> Vec<String> {
    let range = || {
        let (first, last) = name.rsplit_once('-')?;
        let stem = first.trim_end_matches(|c: char| c.is_ascii_digit());
        let (from, to): (u16, u16) = (first[stem.len()..].parse().ok()?, last.parse().ok()?);
        Some((from..=to).map(|i| format!("{stem}{i}")).collect())
    };
    if pins == 1 { vec![name.into()] } else { range().unwrap_or_else(|| vec![name.into()]) }
}
