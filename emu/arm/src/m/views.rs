//! Numbers for configurations of protection, so that what is cached under one of them is found again when it comes back: an
//! RTOS writes a few of the MPU's regions at each change of threads, and the same ones again.

use super::mpu::Mpu;

/// So many are known; as many as memory has translation caches.
const KNOWN: usize = 8;

/// No MPU, or one that does not count for the code that runs.
pub(super) const NO_MPU: u64 = 0;

#[derive(Clone, Debug)]
struct View {
    mpu: Mpu,
    privileged: bool,
    number: u64,
}

/// The configurations that were in force last, the last one at the end. A number never comes again for another one.
#[derive(Clone, Debug)]
pub(super) struct Views {
    known: Vec<View>,
    next: u64,
}

impl Views {
    /// For a CPU by its number in the machine: those of a machine share its memory.
    pub fn new(cpu: u16) -> Views {
        Views { known: vec![], next: u64::from(cpu) << 48 | (NO_MPU + 1) }
    }

    /// The number for an MPU that counts.
    pub fn number(&mut self, mpu: &Mpu, privileged: bool) -> u64 {
        let same = |v: &View| v.privileged == privileged && v.mpu.same_rules(mpu);
        if let Some(i) = self.known.iter().rposition(same) {
            self.known[i..].rotate_left(1);
        } else {
            if self.known.len() == KNOWN {
                self.known.remove(0);
            }
            self.known.push(View { mpu: mpu.clone(), privileged, number: self.next });
            self.next += 1;
        }
        self.known.last().map_or(NO_MPU, |v| v.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::m::config::MConfig;

    #[test]
    fn mend_a_configuration_that_comes_back_has_its_number() {
        let mut views = Views::new(0);
        let mut mpu = Mpu::new(&MConfig::named("cortex-m3").unwrap());
        let mut number = |base: u32, privileged| {
            mpu.write(0x08, base >> 5 & 1); // which region is selected does not matter
            mpu.write(0x0c, 0x2000_0010 | base << 8);
            mpu.write(0x10, 0x0300_0009);
            mpu.write(0x04, 5);
            views.number(&mpu, privileged)
        };
        let first = [number(0, true), number(1, true), number(0, false)];
        assert_eq!(first, [1, 2, 3]);
        assert_eq!([number(0, true), number(1, true), number(0, false)], first);
        // Eight others, and the first is forgotten: it is new then.
        (2..10).for_each(|base| assert_eq!(number(base, true), u64::from(base) + 2));
        assert_eq!((number(0, true), number(9, true)), (12, 11));
    }
}
