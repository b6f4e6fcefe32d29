//! What cores there are.

/// A core as a board asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Config {
    /// Name, as boards give it.
    pub name: &'static str,
    /// Where execution starts after reset.
    pub reset_vector: u32,
}

const CORES: &[Config] = &[Config { name: "rv32imac", reset_vector: 0 }];

impl Config {
    /// A core by name.
    pub fn named(name: &str) -> Option<Config> {
        CORES.iter().find(|c| c.name == name).copied()
    }
    /// The names of all cores.
    pub fn names() -> impl Iterator<Item = &'static str> {
        CORES.iter().map(|c| c.name)
    }
    /// A mistake in it, for people.
    pub fn check(&self) -> Result<(), String> {
        if self.reset_vector & 1 == 0 { Ok(()) } else { Err("instructions lie at even addresses".into()) }
    }
}
