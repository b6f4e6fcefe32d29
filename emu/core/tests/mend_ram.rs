//! RAM that is added when other RAM was written already, as a board's `fill` does.

use emu_core::memory::{Memory, RegionKind};

#[test]
fn mend_ram_that_comes_after_the_first_write_is_memory_like_any_other() {
    let mut m = Memory::default();
    m.add_region("high", 0x3000_0000, 0x2000, RegionKind::Ram);
    assert_eq!(m.poke(0x3000_1000, &[1; 16]), 16);
    assert_eq!(m.read_slow(0x3000_1000, 4, true), Some(0x0101_0101));
    m.add_region("low", 0x2000_0000, 0x1800, RegionKind::Ram);
    assert_eq!(m.poke(0x2000_1000, &[2; 16]), 16);
    m.add_region("last", 0x4000_0000, 0x1000, RegionKind::Ram);
    assert!(m.write_slow(0x4000_0ffc, 4, 3, true) && m.write32(0x4000_0ff8, 4));
    let check = |m: &Memory| {
        let word = |addr| {
            let mut b = [0; 4];
            assert_eq!(m.peek(addr, &mut b), 4);
            u32::from_le_bytes(b)
        };
        assert_eq!(
            [0x3000_1000, 0x2000_1000, 0x4000_0ffc, 0x4000_0ff8, 0x3000_0000].map(word),
            [0x0101_0101, 0x0202_0202, 3, 4, 0]
        );
    };
    check(&m);
    let digest = m.digest();
    let mut copy = m.fork();
    check(&copy);
    assert!(copy.write_slow(0x2000_1000, 4, 9, true));
    check(&m);
    assert_eq!(m.digest(), digest);
}
