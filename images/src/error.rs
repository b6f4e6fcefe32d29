//! What can go wrong between an image's name and its bytes.

use std::path::PathBuf;

/// No image has this name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("no image is called `{name}`{}", nearest.as_ref().map(|n| format!(": did you mean `{n}`?")).unwrap_or_default())]
pub struct UnknownImage {
    pub name: String,
    /// The most similar name, if one is similar at all.
    pub nearest: Option<String>,
}

/// Why an image of the catalogue cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Unknown(#[from] UnknownImage),
    #[error("image `{name}` is not here yet ({}): run `cargo xtask images {name}`", path.display())]
    Missing { name: String, path: PathBuf },
    #[error("image `{name}` ({}) is not the pinned one (its SHA-256 differs): run `cargo xtask images {name}`", path.display())]
    Changed { name: String, path: PathBuf },
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
}
