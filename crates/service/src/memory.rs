//! A map of bounded size that forgets what nobody asked for lately.
//!
//! The clock algorithm: each entry has a mark that a look-up sets; where room is needed, a hand goes
//! round, takes marks away, and forgets the first entry that has none. Look-ups share a shard's lock, and
//! nobody holds one while waiting for anything.
//!
//! Invariant: the weights of the entries never sum up to more than the capacity, but for one entry a shard
//! that is heavier than all of it and is not kept.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// The map.
#[derive(Debug)]
pub(crate) struct Memory<K, V> {
    /// Keys are chosen by clients, so where they fall must not be.
    hasher: RandomState,
    shards: Vec<RwLock<Shard<K, V>>>,
    capacity: usize,
}

#[derive(Debug)]
struct Shard<K, V> {
    /// Where the entry with a key of this hash is. Of two keys with one hash the later stays.
    places: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    entries: Vec<Option<Entry<K, V>>>,
    free: Vec<usize>,
    hand: usize,
    held: usize,
}

#[derive(Debug)]
struct Entry<K, V> {
    hash: u64,
    key: K,
    value: V,
    weight: usize,
    asked: AtomicBool,
}

/// The hash of what is a hash already.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

const SHARDS: usize = 16;

impl<K: Eq + Hash, V: Clone> Memory<K, V> {
    /// A map for entries of this weight altogether.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            capacity: capacity / SHARDS,
        }
    }

    /// The value of a key.
    pub(crate) fn find<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash)?;
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let entry = shard.entries.get(*shard.places.get(&hash)?)?.as_ref()?;
        if entry.key.borrow() != key {
            return None;
        }
        // A write only where there is something to change, so that readers share the line.
        if !entry.asked.load(Ordering::Relaxed) {
            entry.asked.store(true, Ordering::Relaxed);
        }
        Some(entry.value.clone())
    }

    /// Keeps a value; an earlier one of the same key is forgotten.
    pub(crate) fn keep(&self, key: K, value: V, weight: usize) {
        let hash = self.hasher.hash_one(&key);
        let Some(shard) = self.shard(hash) else {
            return;
        };
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        shard.forget(hash);
        if weight > self.capacity {
            return;
        }
        while shard.held + weight > self.capacity {
            shard.make_room();
        }
        shard.put(Entry {
            hash,
            key,
            value,
            weight,
            asked: AtomicBool::new(false),
        });
    }

    fn shard(&self, hash: u64) -> Option<&RwLock<Shard<K, V>>> {
        // Neither the lowest nor the highest bits: the map inside uses those.
        self.shards.get(usize::try_from(hash >> 32).ok()? % SHARDS)
    }
}

impl<K, V> Default for Shard<K, V> {
    fn default() -> Self {
        Self {
            places: HashMap::default(),
            entries: Vec::new(),
            free: Vec::new(),
            hand: 0,
            held: 0,
        }
    }
}

impl<K, V> Shard<K, V> {
    fn put(&mut self, entry: Entry<K, V>) {
        let (hash, weight) = (entry.hash, entry.weight);
        let place = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            self.entries.len() - 1
        });
        if let Some(slot) = self.entries.get_mut(place) {
            *slot = Some(entry);
            self.held += weight;
            self.places.insert(hash, place);
        }
    }

    fn forget(&mut self, hash: u64) {
        if let Some(place) = self.places.remove(&hash) {
            self.empty(place);
        }
    }

    fn empty(&mut self, place: usize) {
        if let Some(entry) = self.entries.get_mut(place).and_then(Option::take) {
            self.held -= entry.weight;
            self.places.remove(&entry.hash);
            self.free.push(place);
        }
    }

    /// Moves the hand on by one entry.
    fn make_room(&mut self) {
        self.hand = if self.hand + 1 < self.entries.len() {
            self.hand + 1
        } else {
            0
        };
        let spared = self
            .entries
            .get(self.hand)
            .and_then(Option::as_ref)
            .is_none_or(|entry| entry.asked.swap(false, Ordering::Relaxed));
        if !spared {
            self.empty(self.hand);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    impl<K, V> Memory<K, V> {
        fn held(&self) -> usize {
            let held = |shard: &RwLock<Shard<K, V>>| {
                let shard = shard.read().unwrap();
                let sum: usize = shard
                    .entries
                    .iter()
                    .flatten()
                    .map(|entry| entry.weight)
                    .sum();
                assert_eq!(sum, shard.held);
                assert_eq!(shard.places.len(), shard.entries.iter().flatten().count());
                sum
            };
            self.shards.iter().map(held).sum()
        }
    }

    #[test]
    fn what_is_asked_for_stays_and_the_rest_goes() {
        let memory = Memory::new(SHARDS * 1000);
        memory.keep("often".to_owned(), 0, 100);
        for number in 1..10_000 {
            memory.keep(number.to_string(), number, 100);
            assert_eq!(memory.find("often"), Some(0), "after {number}");
        }
        assert!(memory.held() <= SHARDS * 1000);
        assert_eq!(memory.find("1"), None);
    }

    proptest! {
        #[test]
        fn the_weights_keep_within_the_capacity(
            steps in prop::collection::vec((0_u8..64, 1_usize..40, any::<bool>()), 1..300),
        ) {
            let memory = Memory::new(SHARDS * 30);
            for (key, weight, look) in steps {
                if look {
                    if let Some(found) = memory.find(&key) {
                        prop_assert_eq!(found % 64, usize::from(key));
                    }
                } else {
                    memory.keep(key, usize::from(key) + 64 * weight, weight);
                    let kept = memory.find(&key);
                    prop_assert_eq!(kept.is_some(), weight <= 30);
                }
                prop_assert!(memory.held() <= SHARDS * 30);
            }
        }
    }
}
