//! What was on the media, as a pcapng file or into a named pipe that Wireshark reads live.

use crate::patient::Patient;
use fleet::{Fleet, MediumId};
use netsim::{
    ethernet::GATEWAY,
    medium::{Logged, Medium},
    pcapng::{USER0, Writer},
};
use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write},
    path::Path,
};

/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;

/// A capture that grows while the fleet runs.
pub struct Capture {
    file: BufWriter<Patient>,
    writer: Writer,
    interfaces: BTreeMap<MediumId, u32>,
}

impl Capture {
    /// Begins the file (a named pipe waits for its reader), and collects from the fleet's present time on.
    pub fn create(path: &Path, fleet: &mut Fleet) -> Result<Capture, crate::InputError> {
        let file = Patient::create(path)
            .map_err(|source| crate::InputError::Write { path: path.display().to_string(), source })?;
        let mut writer = Writer::new("flotilla");
        let mut interfaces = BTreeMap::new();
        for (i, (name, medium)) in (0..).zip(fleet.media()) {
            let link_type = if matches!(medium, Medium::Ethernet(_)) { ETHERNET } else { USER0 };
            interfaces.insert(MediumId::Network(i), writer.interface(name, link_type));
        }
        fleet.log_media();
        Ok(Capture { file: BufWriter::new(file), writer, interfaces })
    }

    /// Writes what is over since the last call.
    pub fn take(&mut self, fleet: &mut Fleet) -> io::Result<()> {
        self.write(fleet, false)?;
        self.file.flush() // somebody may be watching at the other end of a pipe
    }

    fn write(&mut self, fleet: &mut Fleet, all: bool) -> io::Result<()> {
        let mut log = fleet.take_log(all);
        log.sort_by_key(|(_, l)| l.at());
        let names: Vec<&str> = fleet.nodes().map(|n| &n.name[..]).collect();
        let name = |node: u32| match node {
            GATEWAY => "gateway",
            node => names.get((node & 0xff_ffff) as usize).copied().unwrap_or("?"),
        };
        for (medium, logged) in log {
            let Some(&interface) = self.interfaces.get(&medium) else { continue };
            match logged {
                Logged::Radio(frame) => self.writer.frame(interface, &frame, name),
                Logged::Ethernet(frame) => {
                    let mut comments = vec![format!("from {}", name(frame.source))];
                    let fates = frame.fates.iter();
                    comments.extend(fates.map(|(to, at, fate)| format!("{} at {at}: {fate}", name(*to))));
                    self.writer.packet(interface, frame.at, &frame.bytes, &comments);
                }
                Logged::Line(_) => {}
            }
        }
        let bytes = self.writer.take();
        if bytes.is_empty() { Ok(()) } else { self.file.write_all(&bytes) }
    }

    /// Writes the rest.
    pub fn finish(mut self, fleet: &mut Fleet) -> io::Result<()> {
        self.write(fleet, true)?;
        self.file.flush()
    }
}
