//! How many password checks may be pending at once: real ones, and decoys that only take as long.
//!
//! Invariant: decoys keep no real check waiting, and where no real check would have a slot, a decoy has none
//! either, so that a client sees no difference.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::outcome::Unavailable;

/// The slots.
pub(super) struct Slots {
    real: Semaphore,
    decoys: Semaphore,
}

/// How long a check waits for a slot.
const TIMEOUT: Duration = Duration::from_secs(1);

impl Slots {
    pub(super) fn new(real: usize, decoys: usize) -> Self {
        Self {
            real: Semaphore::new(real),
            decoys: Semaphore::new(decoys),
        }
    }

    /// A slot for a real check, at once or soon.
    pub(super) async fn real(&self) -> Result<SemaphorePermit<'_>, Unavailable> {
        if let Ok(slot) = self.real.try_acquire() {
            return Ok(slot);
        }
        match timeout(TIMEOUT, self.real.acquire()).await {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(Unavailable::Busy),
        }
    }

    /// A slot for a decoy; `None` where there are too many decoys: then nothing is done.
    pub(super) async fn decoy(&self) -> Result<Option<SemaphorePermit<'_>>, Unavailable> {
        drop(self.real().await?);
        Ok(self.decoys.try_acquire().ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_decoy_is_refused_where_a_real_check_would_be() {
        let slots = Slots::new(1, 1);
        let decoy = slots.decoy().await.unwrap();
        assert!(decoy.is_some());
        assert!(slots.decoy().await.unwrap().is_none());
        let real = slots.real().await.unwrap();
        assert!(matches!(slots.decoy().await, Err(Unavailable::Busy)));
        assert!(matches!(slots.real().await, Err(Unavailable::Busy)));
        let (next, ()) = tokio::join!(slots.real(), async { drop(real) });
        drop(next.unwrap());
    }
}
