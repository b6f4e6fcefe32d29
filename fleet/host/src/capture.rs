//! What was on the air, as a pcapng file.

use emu_core::link::{Msg, RadioAct};
use fleet::Fleet;
use netsim::pcapng::{USER0, Writer, packet};
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// A capture that grows while the fleet runs.
pub struct Capture {
    file: BufWriter<File>,
    writer: Writer,
    interface: u32,
}

impl Capture {
    /// Begins the file, and collects from the fleet's present time on.
    pub fn create(path: &Path, fleet: &mut Fleet) -> Result<Capture, crate::InputError> {
        let file = File::create(path)
            .map_err(|source| crate::InputError::Write { path: path.display().to_string(), source })?;
        let mut writer = Writer::new("flotilla");
        let interface = writer.interface("radio", USER0);
        fleet.tap_acts();
        Ok(Capture { file: BufWriter::new(file), writer, interface })
    }

    /// Writes what was sent since the last call.
    pub fn take(&mut self, fleet: &mut Fleet) -> io::Result<()> {
        for act in fleet.take_acts() {
            let Msg::Radio(RadioAct::TxStart(frame)) = &act.act else { continue };
            let name = fleet.nodes().nth(act.node as usize).map_or("?", |n| &n.name);
            let comment = format!("from {name} at {} dBm", frame.dbm);
            self.writer.packet(self.interface, act.at, &packet(act.node, frame), &[comment]);
        }
        self.file.write_all(&self.writer.take())
    }

    /// Writes the rest.
    pub fn finish(mut self, fleet: &mut Fleet) -> io::Result<()> {
        self.take(fleet)?;
        self.file.flush()
    }
}
