//! The catalogue of guest images: what each is called, what it runs on, where it comes from and where it lies.
//!
//! Our own guests that are committed ship inside this crate, so that a demo runs from a fresh clone. All others are
//! fetched or built by `cargo xtask images` into [`cache_dir`]; this crate only looks.
//!
//! Architecture Invariant: no network, no child process and no writing here.

mod catalogue;
mod error;
mod place;

use std::borrow::Cow;
use std::path::PathBuf;

use sha2::{Digest, Sha256};

pub use catalogue::{Image, Libc, Origin, Pinned, SourceTree, TreeOrigin, catalogue, find, source, sources};
pub use error::{Error, UnknownImage};
pub use place::{build_dir, cache_dir, guests_dir};

/// The committed guests, by catalogue name.
const SHIPPED: &[(&str, &[u8])] = &[
    ("demo-beacon", include_bytes!("../guests/beacon/beacon.elf")),
    ("bench", include_bytes!("../guests/bench/bench.elf")),
    ("bench-mmio-ram", include_bytes!("../guests/bench/mmio-ram.elf")),
    ("bench-mmio-dev", include_bytes!("../guests/bench/mmio-dev.elf")),
    ("bench-mmio-timer", include_bytes!("../guests/bench/mmio-timer.elf")),
    ("bench-core", include_bytes!("../guests/bench/core.elf")),
    ("bench-core-rv32", include_bytes!("../guests/bench/core-rv32.elf")),
    ("bench-core-beside-rv32", include_bytes!("../guests/bench/core-beside-rv32.elf")),
    ("bench-near-other-rv32", include_bytes!("../guests/bench/near-other-rv32.elf")),
    ("bench-near-page-rv32", include_bytes!("../guests/bench/near-page-rv32.elf")),
    ("bench-near-code-rv32", include_bytes!("../guests/bench/near-code-rv32.elf")),
    ("bench-switch", include_bytes!("../guests/bench/switch.elf")),
    ("bench-switch-mpu", include_bytes!("../guests/bench/switch-mpu.elf")),
    ("bench-fp-m4", include_bytes!("../guests/bench/fp-m4.elf")),
    ("bench-fp-m7", include_bytes!("../guests/bench/fp-m7.elf")),
    ("bench-dsp-matrix", include_bytes!("../guests/bench/dsp-matrix.elf")),
    ("bench-dsp-mix", include_bytes!("../guests/bench/dsp-mix.elf")),
    ("hasty", include_bytes!("../guests/hasty/hasty.elf")),
    ("bench-wake", include_bytes!("../guests/bench/wake.elf")),
    ("bench-wake-rv32", include_bytes!("../guests/bench/wake-rv32.elf")),
];

impl Image {
    /// Where the image lies, or will lie once `cargo xtask images` has run.
    pub fn path(&self) -> PathBuf {
        match &self.from {
            Origin::Shipped { .. } => guests_dir().join(&self.file),
            Origin::Guest { .. } => build_dir().join(&self.file),
            _ => cache_dir().join(&self.file),
        }
    }

    /// Whether it can be loaded now: it ships with the program or its file exists.
    pub fn present(&self) -> bool {
        self.shipped_bytes().is_some() || self.path().is_file()
    }

    /// The image's bytes, checked against the pinned SHA-256 if there is one.
    pub fn load(&self) -> Result<Cow<'static, [u8]>, Error> {
        if let Some(bytes) = self.shipped_bytes() {
            return Ok(Cow::Borrowed(bytes));
        }
        let path = self.path();
        if !path.is_file() {
            return Err(Error::Missing { name: self.name.clone(), path });
        }
        let bytes = std::fs::read(&path).map_err(|source| Error::Read { path: path.clone(), source })?;
        match &self.sha256 {
            Some(pin) if *pin != sha256(&bytes) => Err(Error::Changed { name: self.name.clone(), path }),
            _ => Ok(Cow::Owned(bytes)),
        }
    }

    fn shipped_bytes(&self) -> Option<&'static [u8]> {
        SHIPPED.iter().find(|(name, _)| *name == self.name).map(|&(_, bytes)| bytes)
    }
}

/// The SHA-256 of `bytes` in lower-case hexadecimal, as the catalogue writes it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
