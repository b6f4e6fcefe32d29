use super::{views::VIEWS, *};
use proptest::prelude::*;

fn mem() -> Memory {
    let mut m = Memory::default();
    m.add_region("flash", 0, 0x3000, RegionKind::Rom);
    m.add_region("ram", 0x2000_0000, 0x2800, RegionKind::Ram);
    m.add_alias(0x1000_0000, 0x3000, 0);
    m
}

#[test]
fn slow_path_fills_the_cache_and_fast_path_agrees() {
    let mut m = mem();
    assert_eq!(m.read32(0x2000_0000), None);
    assert_eq!(m.read_slow(0x2000_0000, 4, true), Some(0));
    assert_eq!(m.read32(0x2000_0000), Some(0));
    assert!(!m.write32(0x2000_0004, 5));
    assert!(m.write_slow(0x2000_0004, 4, 5, true));
    assert!(m.write32(0x2000_0008, 6));
    assert_eq!(m.read32(0x2000_0008), Some(6));
    assert_eq!(m.read32(0x2000_0002), None); // unaligned
    assert_eq!(m.read_slow(0x2000_0006, 4, true), Some(6 << 16));
}

#[test]
fn the_short_last_page_never_enters_the_cache() {
    let mut m = mem();
    assert!(m.write_slow(0x2000_27fc, 4, 1, true));
    assert_eq!(m.read32(0x2000_27fc), None);
    assert_eq!(m.read_slow(0x2000_27fe, 4, true), None);
    assert_eq!(m.read_slow(0x2000_2800, 1, true), None);
    assert!(!m.write_slow(0x2000_27fe, 4, 1, true));
}

#[test]
fn rom_refuses_and_alias_shows_the_same_page() {
    let mut m = mem();
    assert!(!m.write_slow(0x10, 4, 1, true));
    assert_eq!(m.poke(0x10, &[1, 2, 3, 4]), 4);
    assert_eq!(m.read_slow(0x1000_0010, 4, true), Some(0x0403_0201));
    assert_eq!(m.read32(0x1000_0010), Some(0x0403_0201));
    assert_eq!(m.page_slot(0x10), m.page_slot(0x1000_0010));
    assert!(!m.dma_write(0x10, &[1]));
    assert!(m.dma_write(0x2000_0ffc, &[1; 8]));
    assert!(!m.dma_write(0x2000_27fc, &[1; 8]));
    assert_eq!(m.peek(0x2000_27fc, &mut [0; 8]), 4);
}

#[test]
fn writes_to_decoded_code_are_noticed_once() {
    let mut m = mem();
    m.write_slow(0x2000_1000, 4, 7, true);
    let (slot, _) = m.code_page(0x2000_1000).unwrap();
    m.mark_code(slot, 0, 4);
    assert!(!m.write32(0x2000_1000, 8)); // no longer cached for writes
    let e = m.code_epoch();
    m.write_slow(0x2000_1000, 4, 8, true);
    assert_eq!((m.code_epoch(), m.page_epoch(slot)), (e + 1, e + 1));
    m.write_slow(0x2000_1004, 4, 8, true);
    assert_eq!(m.code_epoch(), e + 1);
    assert!(m.write32(0x2000_1000, 9));
    m.mark_code(slot, 0, 4);
    m.write_slow(0x2000_1040, 4, 8, true); // data beside the code
    assert_eq!(m.code_epoch(), e + 1);
}

/// Decoded code is known by its halfwords: a byte before it, each of its own, and a byte behind it.
#[test]
fn mend_a_write_beside_decoded_code_is_a_plain_write() {
    for (first, len) in [(0x100usize, 2), (0x13e, 4), (0x100, 64), (0xffe, 2), (0, 4)] {
        for at in first.saturating_sub(3)..(first + len + 3).min(PAGE) {
            for size in [1u8, 2, 4, 8] {
                let mut m = mem();
                m.write_slow(0x2000_1000, 4, 7, true);
                let slot = m.page_slot(0x2000_1000).unwrap();
                m.mark_code(slot, first, len);
                // Part of the page may be written from now on.
                let beside = if first == 0 { 0x800 } else { 0 };
                m.write_slow(0x2000_1000 + beside, 4, 7, true);
                let (e, addr) = (m.code_epoch(), 0x2000_1000 + at as u64);
                let hits = at < first + len && first < at + usize::from(size);
                let aligned = at.is_multiple_of(usize::from(size));
                let fast = match size {
                    1 => m.write8(addr, 9),
                    2 => m.write16(addr, 9),
                    4 => m.write32(addr, 9),
                    _ => m.write64(addr, 9),
                };
                assert_eq!(fast, aligned && !hits, "{first:x} {len} {at:x} {size}");
                if !fast {
                    m.write_slow(addr, size, 9, true);
                }
                assert_eq!(m.code_epoch() > e, hits, "{first:x} {len} {at:x} {size}");
            }
        }
    }
}

/// A write that begins outside the code and ends in it, over the border of pages too.
#[test]
fn mend_the_far_end_of_a_write_counts() {
    let mut m = mem();
    let first = m.page_slot(0x2000_0000).unwrap();
    let second = m.page_slot(0x2000_1000).unwrap();
    for (addr, size, slot, off) in [
        (0x2000_003eu64, 4u8, first, 0x40usize),
        (0x2000_0ffe, 4, second, 0),
        (0x2000_0fff, 2, second, 0),
        (0x2000_0ffc, 8, second, 2),
    ] {
        m.mark_code(slot, off, 2);
        let e = m.code_epoch();
        assert!(m.write_slow(addr, size, 1, true));
        assert_eq!((m.code_epoch(), m.page_epoch(slot)), (e + 1, e + 1), "{addr:x}");
        assert!(!m.dma_write(0x2000_27fe, &[1; 4]));
        m.mark_code(slot, off, 2);
        assert!(m.dma_write(addr, &[1; 8][..usize::from(size)]));
        assert_eq!(m.code_epoch(), e + 2, "{addr:x}");
    }
}

#[test]
fn mend_parts_of_a_page_are_fast_where_they_are_allowed() {
    let mut m = mem();
    m.write_slow(0x2000_1000, 4, 7, false);
    let (mut read, mut write) = (Halves::default(), Halves::default());
    read.set(0x100, 0x20);
    write.set(0x100, 0x60);
    m.enter_parts(0x2000_1000, || (read, write));
    for at in (0..PAGE as u64).step_by(4) {
        let (addr, r, w) = (0x2000_1000 + at, (0x100..0x120).contains(&at), (0x100..0x160).contains(&at));
        assert_eq!((m.read32(addr).is_some(), m.write32(addr, 1)), (!r, !w), "{at:x}");
        assert_eq!(m.read_words(addr, 2).is_some(), !r && at != 0xfc && at != 0xffc, "{at:x}");
        assert_eq!(m.write_words(addr, 2).is_some(), !w && at != 0xfc && at != 0xffc, "{at:x}");
    }
    // Code that is decoded there is seen, too, and forgotten when it was written.
    let slot = m.page_slot(0x2000_1000).unwrap();
    m.mark_code(slot, 0x800, 4);
    m.enter_parts(0x2000_1000, || (Halves::default(), Halves::default()));
    assert!(!m.write32(0x2000_1800, 1) && m.write32(0x2000_1804, 1));
    let e = m.code_epoch();
    m.write_slow(0x2000_1800, 4, 1, false);
    assert_eq!(m.code_epoch(), e + 1);
    m.enter_parts(0x2000_1000, || (Halves::default(), Halves::default()));
    assert!(m.write32(0x2000_1800, 1));
}

#[test]
fn mend_each_view_keeps_what_it_knows() {
    let mut m = mem();
    m.write_slow(0x2000_0000, 4, 7, true);
    m.set_view(1);
    assert_eq!(m.read32(0x2000_0000), None);
    m.read_slow(0x2000_1000, 4, true);
    m.set_view(0);
    assert_eq!((m.read32(0x2000_0000), m.read32(0x2000_1000)), (Some(7), None));
    // A page that moves, or becomes code, does so under all of them.
    m.set_view(1);
    m.write_slow(0x2000_1000, 4, 9, true);
    let slot = m.page_slot(0x2000_0000).unwrap();
    m.mark_code(slot, 0, 2);
    m.set_view(0);
    assert!(!m.write32(0x2000_0000, 1));
    m.set_watches(vec![Watch { addr: 0x2000_1000, len: 4, read: true, write: true }]);
    m.set_view(1);
    assert_eq!(m.read32(0x2000_1000), None);
    // Many of them: the oldest go.
    for view in 2..40 {
        m.set_view(view);
        assert_eq!(m.read32(0x2000_0000), None, "{view}");
        m.read_slow(0x2000_0000, 4, true);
    }
    assert_eq!(m.other_tables.len(), VIEWS - 1);
    m.set_view(38);
    assert!(m.read32(0x2000_0000).is_some());
}

#[test]
fn a_page_that_is_code_as_a_whole_is_stale_after_any_write() {
    let mut m = mem();
    m.poke(0x1000, &[1]);
    let (slot, _) = m.code_page(0x1000).unwrap();
    m.mark_page(slot);
    m.mark_code(slot, 0, 2);
    let e = m.code_epoch();
    m.poke(0x1ffc, &[2]);
    assert_eq!((m.code_epoch(), m.page_epoch(slot)), (e + 1, e + 1));
    m.poke(0x1ffc, &[3]);
    assert_eq!(m.code_epoch(), e + 1, "nothing is decoded any more");
    m.mark_code(slot, 0, 64);
    m.poke(0x1ffc, &[4]);
    assert_eq!(m.code_epoch(), e + 1, "data beside code");
    m.poke(0x1000, &[5]);
    assert_eq!(m.code_epoch(), e + 2);
}

#[test]
fn watched_pages_stay_off_the_fast_path() {
    let mut m = mem();
    m.set_watches(vec![Watch { addr: 0x2000_0010, len: 4, read: false, write: true }]);
    m.write_slow(0x2000_0014, 4, 1, true);
    assert_eq!(m.watch_hit, None);
    assert!(!m.write32(0x2000_0010, 1));
    m.write_slow(0x2000_0012, 2, 1, true);
    assert_eq!(m.watch_hit, Some((0x2000_0012, true)));
}

#[test]
fn a_save_or_a_hash_does_not_hide_later_writes() {
    let mut m = mem();
    m.write_slow(0x2000_0000, 4, 0, true); // a page of zeros that the translation cache may write
    let (empty, slot) = (m.digest(), m.page_slot(0x2000_0000).unwrap());
    m.write_slow(0x2000_0000, 4, 0, true);
    assert_eq!(m.page_hash(slot), 0);
    m.save();
    assert!(m.write32(0x2000_0000, 7));
    assert_ne!(m.page_hash(slot), 0);
    assert!(m.save().pages.iter().any(|p| p.2[0] == 7), "the write is not in the save");
    assert!(m.write32(0x2000_0000, 8));
    let mut copy = mem();
    copy.load(&m.save()).unwrap();
    assert_eq!(copy.digest(), m.digest());
    assert_ne!(m.digest(), empty);
}

proptest! {
    #[test]
    fn forks_do_not_see_each_other(writes in proptest::collection::vec((0u64..0x2800, any::<u8>(), any::<bool>()), 0..60)) {
        let mut a = mem();
        for i in 0..0x2800u64 { a.write_slow(0x2000_0000 + i, 1, i & 0xff, true); }
        let before = a.digest();
        let mut b = a.fork();
        prop_assert_eq!(b.digest(), before);
        let mut model = [(0..0x2800u64).map(|i| i as u8).collect::<Vec<_>>(), (0..0x2800u64).map(|i| i as u8).collect()];
        for (off, v, first) in writes {
            let (m, k) = if first { (&mut a, 0) } else { (&mut b, 1) };
            let at = 0x2000_0000 + off;
            if !m.write8(at, v) { m.write_slow(at, 1, u64::from(v), true); }
            model[k][off as usize] = v;
        }
        for (m, want) in [&a, &b].into_iter().zip(&model) {
            let mut got = vec![0; 0x2800];
            m.peek(0x2000_0000, &mut got);
            prop_assert_eq!(&got, want);
        }
        let saved = a.save();
        let mut c = mem();
        c.load(&saved).unwrap();
        prop_assert_eq!(c.digest(), a.digest());
        prop_assert_eq!(model[0] == model[1], a.digest() == b.digest());
    }
}
