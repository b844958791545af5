//! Reproducible chance: the same seed gives the same numbers, on every machine.

use std::time::{SystemTime, UNIX_EPOCH};

/// SplitMix64 (Steele, Lea, Flood, 2014): a row of numbers from a seed.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The seed of a test: `WHARF_TEST_SEED`, or one of the moment. It is printed, so that a failure can be repeated.
    pub fn seed() -> u64 {
        let asked = std::env::var("WHARF_TEST_SEED").ok();
        let seed = asked.and_then(|text| text.parse().ok()).unwrap_or_else(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            now.map_or(1, |now| now.subsec_nanos().into())
        });
        println!("seed {seed}; the same again with WHARF_TEST_SEED={seed}");
        seed
    }

    /// A row of its own for one of several parts, so that none depends on how fast the others draw.
    pub fn apart(&self, part: u64) -> Self {
        let mut own = Self(self.0 ^ part.wrapping_add(1).wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Self(own.draw())
    }

    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is at least 1.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw() % bound
    }

    /// A place in a list of this length.
    pub fn index(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}
