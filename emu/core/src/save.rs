//! The one canonical encoding: `postcard` of serde data. Snapshots and digests use the same bytes.

use serde::{Serialize, de::DeserializeOwned};
use xxhash_rust::xxh3::xxh3_128;

/// Why saved bytes cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The bytes end early or hold something no `save()` writes.
    Corrupt(String),
    /// The bytes belong to another machine, device or version.
    Mismatch(String),
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Corrupt(m) => write!(f, "saved state is corrupt: {m}"),
            LoadError::Mismatch(m) => write!(f, "saved state does not fit: {m}"),
        }
    }
}
impl std::error::Error for LoadError {}

/// Encodes plain data. Plain data always encodes: a failure is a broken invariant of the host.
pub fn to_bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data encodes")
}

/// Decodes plain data; every byte must be used.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, LoadError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(LoadError::Corrupt(format!("{} bytes too many", rest.len()))),
        Err(e) => Err(LoadError::Corrupt(e.to_string())),
    }
}

/// 128-bit digest of some bytes.
pub fn digest(bytes: &[u8]) -> u128 {
    xxh3_128(bytes)
}
