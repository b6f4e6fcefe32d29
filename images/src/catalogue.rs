//! `catalogue.toml` as data.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::error::UnknownImage;

const TEXT: &str = include_str!("../catalogue.toml");

/// One guest image.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    pub name: String,
    /// Machines it runs on, the usual one first.
    pub machines: Vec<String>,
    pub description: String,
    /// SPDX expression.
    pub licence: String,
    /// Path below the folder of its kind; [`Image::path`] gives the whole.
    pub file: String,
    /// SHA-256 of that file; absent for what is built here.
    pub sha256: Option<String>,
    pub from: Origin,
}

/// Where an image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Origin {
    /// Our own guest, its ELF committed.
    Shipped { guest: String },
    /// Our own guest, built when a test needs it; `sources` names the source trees its Makefile wants.
    Guest {
        guest: String,
        #[serde(default)]
        sources: Vec<String>,
    },
    /// A file in a Debian package.
    Debian { package: String, version: String, suite: String, sha256: String, member: String },
    /// A file in a Python wheel.
    Pypi { package: String, version: String, file: String, sha256: String, member: String },
    /// MicroPython's QEMU port, built for `board`; our own board files lie in `images/recipes/micropython`.
    Micropython {
        source: String,
        board: String,
        own_board: bool,
        /// Beginning of the compiler's name.
        #[serde(default = "arm")]
        cross: String,
        /// The C library it is built with, whatever else is installed.
        libc: Libc,
        /// Make variables, `NAME=value`.
        #[serde(default)]
        variables: Vec<String>,
    },
}

/// A C library for a processor without an operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Libc {
    /// Debian: `libnewlib-arm-none-eabi`. The compiler's own choice.
    Newlib,
    /// Debian: `picolibc-riscv64-unknown-elf`. Asked for by its specs file.
    Picolibc,
}

fn arm() -> String {
    "arm-none-eabi-".into()
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Shipped { guest } => write!(f, "ours, shipped (images/guests/{guest})"),
            Origin::Guest { guest, sources } if sources.is_empty() => {
                write!(f, "ours, built (images/guests/{guest})")
            }
            Origin::Guest { guest, sources } => {
                write!(f, "ours, built (images/guests/{guest}) with {}", sources.join(" and "))
            }
            Origin::Debian { package, version, .. } => write!(f, "Debian {package} {version}"),
            Origin::Pypi { package, version, .. } => write!(f, "PyPI {package} {version}"),
            Origin::Micropython { source, board, .. } => write!(f, "built from {source} for {board}"),
        }
    }
}

/// A source tree that images are built from, or a tool that tests need.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceTree {
    pub name: String,
    pub licence: String,
    /// Folder below the cache folder.
    pub folder: String,
    /// The make variable by which our guests' Makefiles get that folder, if any is built from it.
    pub variable: Option<String>,
    pub from: TreeOrigin,
}

/// Where a source tree comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum TreeOrigin {
    DebianSource {
        package: String,
        version: String,
        suite: String,
        files: Vec<Pinned>,
    },
    /// `folder` is the part of the crate that is wanted.
    Crate {
        package: String,
        version: String,
        sha256: String,
        folder: String,
    },
    Pypi {
        package: String,
        version: String,
        file: String,
        sha256: String,
    },
}

/// A file and its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    pub name: String,
    pub sha256: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Catalogue {
    source: Vec<SourceTree>,
    image: Vec<Image>,
}

fn parsed() -> &'static Catalogue {
    static PARSED: OnceLock<Catalogue> = OnceLock::new();
    PARSED.get_or_init(|| toml_edit::de::from_str(TEXT).expect("catalogue.toml is checked by a test"))
}

/// Every image, in the catalogue's order.
pub fn catalogue() -> &'static [Image] {
    &parsed().image
}

/// Every source tree, in the catalogue's order.
pub fn sources() -> &'static [SourceTree] {
    &parsed().source
}

/// The image of that name, or the nearest name there is.
pub fn find(name: &str) -> Result<&'static Image, UnknownImage> {
    let found = catalogue().iter().find(|image| image.name == name);
    found.ok_or_else(|| UnknownImage { name: name.to_owned(), nearest: nearest(name) })
}

/// The source tree of that name.
pub fn source(name: &str) -> Option<&'static SourceTree> {
    sources().iter().find(|source| source.name == name)
}

fn nearest(name: &str) -> Option<String> {
    let likeness = |image: &&Image| strsim::jaro_winkler(name, &image.name);
    let best = catalogue().iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(&best) > 0.7).then(|| best.name.clone())
}
