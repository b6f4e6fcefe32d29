//! Numbers for configurations of protection, so that what is cached under one of them is found again when it comes back: an
//! RTOS writes a few entries of its protection unit at each change of threads, and the same ones again.

/// So many are known; as many as memory has translation caches.
const KNOWN: usize = 8;

/// The number of no protection at all, or of one that does not count for the code that runs.
pub const FREE: u64 = 0;

/// The configurations that were in force last, the last one at the end. A number never comes again for another one.
#[derive(Clone, Debug)]
pub struct Views<K> {
    known: Vec<(K, u64)>,
    next: u64,
}

impl<K> Views<K> {
    /// For a CPU by its number in the machine: those of a machine share its memory.
    pub fn new(cpu: u16) -> Views<K> {
        Views { known: vec![], next: u64::from(cpu) << 48 | (FREE + 1) }
    }

    /// The number of the configuration that `same` recognizes and `make` makes.
    pub fn number(&mut self, same: impl Fn(&K) -> bool, make: impl FnOnce() -> K) -> u64 {
        if let Some(i) = self.known.iter().rposition(|v| same(&v.0)) {
            self.known[i..].rotate_left(1);
        } else {
            if self.known.len() == KNOWN {
                self.known.remove(0);
            }
            self.known.push((make(), self.next));
            self.next += 1;
        }
        self.known.last().map_or(FREE, |v| v.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mend_a_configuration_that_comes_back_has_its_number() {
        let mut views = Views::new(0);
        let mut number = |key: u32| views.number(|k| *k == key, || key);
        let first = [number(10), number(11), number(12)];
        assert_eq!(first, [1, 2, 3]);
        assert_eq!([number(10), number(11), number(12)], first);
        // Eight others, and the first is forgotten: it is new then.
        (2..10).for_each(|key| assert_eq!(number(key), u64::from(key) + 2));
        assert_eq!((number(10), number(9)), (12, 11));
    }
}
