//! Which device an address belongs to.

use crate::ids::DevId;

/// A window of the address space that belongs to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First address.
    pub base: u64,
    /// Size in bytes.
    pub size: u64,
    /// The device.
    pub dev: DevId,
}

/// The windows of a board, by address, and a way to find most of them by page number. Made once and shared by all copies
/// of a machine.
#[derive(Clone, Default)]
pub(crate) struct Windows {
    sorted: Vec<Window>,
    /// By the hash of a page number: the page and the only window in it.
    by_page: Vec<(u64, Window)>,
    factor: u64,
}

/// Windows of more pages than this are searched.
const MOST_PAGES: u64 = 16;
/// Places in [`Windows::by_page`], a power of two.
const PLACES: usize = 1024;
const NO_WINDOW: (u64, Window) = (u64::MAX, Window { base: 0, size: 0, dev: DevId(0) });

#[inline(always)]
fn page_place(page: u64, factor: u64) -> usize {
    (page.wrapping_mul(factor) >> 32) as usize & (PLACES - 1)
}

impl Windows {
    /// All by address.
    pub fn sorted(&self) -> &[Window] {
        &self.sorted
    }

    /// Adds a window.
    pub fn add(&mut self, w: Window) {
        let i = self.sorted.partition_point(|o| o.base < w.base);
        self.sorted.insert(i, w);
        self.index();
    }

    /// Chooses the factor that gives most pages a place of their own; the others are searched.
    fn index(&mut self) {
        let mut pages: Vec<(u64, Window)> = vec![];
        for w in &self.sorted {
            let (first, last) = (w.base >> 12, w.base.saturating_add(w.size.max(1) - 1) >> 12);
            if last - first < MOST_PAGES {
                pages.extend((first..=last).map(|p| (p, *w)));
            }
        }
        let mut best = usize::MAX;
        for n in 1..16 {
            let factor = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(2 * n - 1);
            let mut places = vec![NO_WINDOW; PLACES];
            let mut lost = 0;
            for entry in &pages {
                let place = &mut places[page_place(entry.0, factor)];
                lost += usize::from(place.0 != NO_WINDOW.0);
                *place = *entry;
            }
            if lost < best {
                (best, self.by_page, self.factor) = (lost, places, factor);
            }
        }
    }

    /// The device at `addr`, and the offset in its window.
    #[inline(always)]
    pub fn find(&self, addr: u64) -> Option<(DevId, u32)> {
        if let Some((page, w)) = self.by_page.get(page_place(addr >> 12, self.factor))
            && *page == addr >> 12
        {
            let off = addr.wrapping_sub(w.base);
            if off < w.size {
                return Some((w.dev, off as u32));
            }
        }
        self.search(addr)
    }

    #[inline(never)]
    fn search(&self, addr: u64) -> Option<(DevId, u32)> {
        let w = &self.sorted[self.sorted.partition_point(|w| w.base <= addr).checked_sub(1)?];
        let off = addr.wrapping_sub(w.base);
        (off < w.size).then_some((w.dev, off as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Windows one behind the other, at whole words: kind, size, and the gap before it.
    fn laid_out(sizes: &[(u64, u64, u64)]) -> (Windows, u64) {
        let (mut all, mut end) = (Windows::default(), 0x4000_0000);
        for (i, (kind, size, gap)) in (0..).zip(sizes) {
            let size = match kind {
                1 => *size,
                2 => 4,
                _ => 0x1000,
            };
            let base = (end + gap).next_multiple_of(4);
            all.add(Window { base, size, dev: DevId(i) });
            end = base + size;
        }
        (all, end)
    }

    #[test]
    fn mend_random_windows_do_not_overlap() {
        let (all, _) = laid_out(&[(1, 5, 0), (1, 8, 1), (2, 9, 2), (1, 1, 0), (3, 0, 0)]);
        let spans: Vec<_> = all.sorted().iter().map(|w| (w.base - 0x4000_0000, w.size)).collect();
        assert_eq!(spans, [(0, 5), (8, 8), (20, 4), (24, 1), (28, 0x1000)]);
    }

    proptest! {
        /// Small windows of one page, large ones and holes; the table finds what a search finds.
        #[test]
        fn the_table_knows_no_more_than_the_list(
            sizes in proptest::collection::vec((1u64..6, 1u64..0x20_0000, 0u64..0x8000), 1..60),
            probes in proptest::collection::vec(any::<u64>(), 40),
        ) {
            let (all, end) = laid_out(&sizes);
            let edges = all.sorted().iter().flat_map(|w| [w.base.wrapping_sub(1), w.base, w.base + w.size - 1, w.base + w.size]);
            let inside = probes.iter().map(|p| 0x4000_0000 + p % (end - 0x4000_0000));
            for addr in edges.chain(inside).collect::<Vec<_>>() {
                let want = all.sorted().iter().find(|w| addr.wrapping_sub(w.base) < w.size);
                prop_assert_eq!(all.find(addr), want.map(|w| (w.dev, (addr - w.base) as u32)), "{:#x}", addr);
            }
        }
    }
}
