//! Boards and chips that people ask for and that are not here, from `devices/boards/elsewhere.toml`: what they are, and which
//! machine is nearest.

use crate::{board, source::Source};

/// A board, or a family of them, that is not here.
#[derive(Clone, Debug, Default)]
pub struct Elsewhere {
    /// Names; one that ends in `*` is a beginning.
    pub names: Vec<String>,
    /// What it is, for people: "the micro:bit v2 (...)".
    pub is: String,
    /// The nearest machine that ships.
    pub nearest: String,
    /// What that one is, and so why an image does not run there.
    pub why: String,
    /// Base and size of its memories in bytes, the flash first; empty: not known.
    pub memory: Vec<(u64, u64)>,
    /// The ids of its blocks in a universal HEX file.
    pub hex_boards: Vec<u16>,
}

/// All of them; the first that fits counts.
pub fn all() -> Vec<Elsewhere> {
    let text = include_str!("../boards/elsewhere.toml");
    let Ok(source) = Source::parse("elsewhere.toml", text) else { return vec![] };
    let read = |tab: crate::source::Tab| Elsewhere {
        names: tab.strings("names").unwrap_or_default().into_iter().map(String::from).collect(),
        is: tab.str("is").unwrap_or_default().into(),
        nearest: tab.str("nearest").unwrap_or_default().into(),
        why: tab.str("why").unwrap_or_default().into(),
        memory: tab.uints("memory").unwrap_or_default().chunks_exact(2).map(|m| (m[0], m[1])).collect(),
        hex_boards: tab.uints("hex_boards").unwrap_or_default().into_iter().map(|id| id as u16).collect(),
    };
    source.root().list("board").into_iter().map(read).collect()
}

/// Names differ by `-`, `_` and case, and Zephyr's by the chip behind a slash.
fn plain(name: &str) -> String {
    let letters = name.split('/').next().unwrap_or_default().chars();
    letters.filter(|c| !matches!(c, '-' | '_')).flat_map(char::to_lowercase).collect()
}

/// The board that people call `name`.
pub fn named(name: &str) -> Option<Elsewhere> {
    let name = plain(name);
    let fits = |n: &String| match n.strip_suffix('*') {
        Some(beginning) => name.starts_with(&plain(beginning)),
        None => name == plain(n),
    };
    all().into_iter().find(|b| b.names.iter().any(fits))
}

/// A board into whose memories an image fits, whose first word, the initial stack pointer of a Cortex-M, lies in the last of them.
pub fn of_memory(chunks: &[(u64, Vec<u8>)]) -> Option<Elsewhere> {
    let first = chunks.iter().min_by_key(|c| c.0)?;
    let stack = u64::from(u32::from_le_bytes(*first.1.first_chunk()?));
    let fits = |b: &Elsewhere| {
        let holds = |c: &(u64, Vec<u8>)| {
            b.memory.iter().any(|m| c.0 >= m.0 && c.0 - m.0 <= m.1 && c.1.len() as u64 <= m.1 - (c.0 - m.0))
        };
        let ram = b.memory.last().is_some_and(|m| stack > m.0 && stack - m.0 <= m.1);
        ram && chunks.iter().all(holds)
    };
    all().into_iter().find(fits)
}

/// What the ids of a universal HEX file's blocks stand for, for people.
pub fn of_hex(ids: &[u16]) -> String {
    let here = board::list().into_iter().map(|b| (b.hex_boards, b.description));
    let known: Vec<_> = here.chain(all().into_iter().map(|b| (b.hex_boards, b.is))).collect();
    let mut names: Vec<String> = vec![];
    for id in ids {
        let board = known.iter().find(|(all, _)| all.contains(id)).map(|(_, what)| what.clone());
        let name = board.unwrap_or_else(|| format!("a board of id {id:04X}"));
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_names_a_machine_that_ships_and_takes_no_name_of_one() {
        let ours = board::list();
        let all = all();
        assert!(all.len() > 10);
        for b in &all {
            assert!(ours.iter().any(|o| o.name == b.nearest), "{b:?}");
            assert!(!b.is.is_empty() && !b.why.is_empty() && !b.names.is_empty(), "{b:?}");
        }
        for name in ours.iter().flat_map(|o| std::iter::once(&o.name).chain(&o.aliases)) {
            assert!(board::find(name).is_ok(), "{name}");
        }
    }

    #[test]
    fn mend_a_board_that_is_not_here_says_what_is_near() {
        let said = |name| board::find(name).unwrap_err();
        for (name, is, nearest) in [
            ("microbit-v2", "the micro:bit v2", "microbit"),
            ("BBC_microbit_v2/nrf52833", "the micro:bit v2", "microbit"),
            ("nrf52840dk", "an nRF52", "microbit"),
            ("nrf51dk_nrf51822", "another board with an nRF51", "microbit"),
            ("stm32f407-disco", "an STM32 (Cortex-M4F)", "mps2-an386"),
            ("stm32vldiscovery", "an STM32 with a Cortex-M3", "mps2-an385"),
            ("mps2-an505", "Armv8-M", "mps2-an386"),
            ("rpi_pico", "RP2040", "microbit"),
            ("esp32c3-devkit", "RV32", "riscv32-virt"),
            ("esp32", "Xtensa", "riscv32-virt"),
            ("raspi3b", "application processor", "mps2-an500"),
        ] {
            let text = said(name);
            assert!(text.contains(is) && text.contains(&format!("nearest is `{nearest}`")), "{text}");
        }
        assert!(said("microbt").contains("did you mean `microbit`?"));
        assert!(said("toaster").starts_with("no machine is called `toaster`; known: microbit,"));
    }

    #[test]
    fn an_image_is_recognised_by_its_memory() {
        let image = |at, stack: u32, len| vec![(at, [&stack.to_le_bytes()[..], &vec![0; len]].concat())];
        let is = |chunks: &[_]| of_memory(chunks).map(|b| b.is);
        assert!(is(&image(0, 0x2002_0000, 0x6_0000)).is_some_and(|b| b.contains("micro:bit v2")));
        assert!(is(&image(0, 0x2004_0000, 0xc_0000)).is_some_and(|b| b.contains("nRF52")));
        assert!(is(&image(0x0800_0000, 0x2002_0000, 64)).is_some_and(|b| b.contains("STM32")));
        assert_eq!(is(&image(0x7000_0000, 0x2002_0000, 64)), None);
        assert_eq!(is(&image(u64::MAX, 0x2002_0000, 64)), None);
        assert_eq!(is(&[(0, vec![0; 3])]), None);
        assert_eq!(
            of_hex(&[0x9900, 0x9901, 0x9903, 0x1234]),
            "BBC micro:bit v1 (nRF51822, Cortex-M0 at 16 MHz) and the micro:bit v2 (nRF52833, Cortex-M4F) and a board of id 1234"
        );
    }
}
