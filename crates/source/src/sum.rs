//! Sums over links, to tell whether two lists of them are the same without keeping either.

/// A sum over links that is the same in whatever order they come.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sum {
    /// How many links.
    pub links: u64,
    hashes: u128,
}

impl Sum {
    /// Adds a link by the hashes of both names.
    pub fn add(&mut self, owner: u64, delegate: u64) {
        self.links += 1;
        self.hashes = self
            .hashes
            .wrapping_add(u128::from(Self::pair(owner, delegate)));
    }

    /// Adds what another has summed up.
    pub fn merge(&mut self, other: Self) {
        self.links += other.links;
        self.hashes = self.hashes.wrapping_add(other.hashes);
    }

    /// One hash for a link.
    pub fn pair(owner: u64, delegate: u64) -> u64 {
        let mixed = owner.rotate_left(32) ^ delegate.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9)
    }
}
