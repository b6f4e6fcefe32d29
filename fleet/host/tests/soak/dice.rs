//! Random numbers of a seed.

/// SplitMix64.
#[derive(Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// Less than `n`; 0 if there is nothing less.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 { 0 } else { self.next() % n }
    }
    pub fn chance(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }
    pub fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
    /// 1 to `most`, small numbers as often as large ones.
    pub fn scale(&mut self, most: u64) -> u64 {
        let bits = self.below(u64::from(64 - most.leading_zeros()) + 1);
        1 + self.next() % (1u64 << bits.min(63)).min(most)
    }
}

/// The seed of case `n` of a soak.
pub fn mix(seed: u64, n: u64) -> u64 {
    Dice(seed ^ n.wrapping_mul(0xd6e8_feb8_6659_fd93)).next()
}
