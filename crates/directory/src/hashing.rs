//! Passwords in clear on their way into hashes, on every core: one Argon2id hash takes about 30 ms, so an
//! import that made them one after the other would wait for nothing else.
//!
//! Invariant: what waits is bounded, a password in clear is wiped when it is hashed, and what was pushed
//! comes back exactly once.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Scope;

use zeroize::Zeroizing;

use crate::error::Unusable;
use crate::password::{Keeping, Passwords};

/// An object whose passwords are to be hashed.
pub(crate) struct Job {
    pub id: u64,
    /// Where its record begins.
    pub line: u64,
    /// What is kept already.
    pub passwords: Passwords,
    pub clear: Vec<Zeroizing<Vec<u8>>>,
}

/// An object whose passwords are hashed.
pub(crate) struct Done {
    pub id: u64,
    pub line: u64,
    pub passwords: Passwords,
    /// What could not be kept.
    pub trouble: Option<Unusable>,
}

/// The cores at work.
pub(crate) struct Hashing<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    keeping: Keeping,
    cores: Option<Cores>,
    under_way: usize,
}

struct Cores {
    jobs: SyncSender<Job>,
    done: Receiver<Done>,
}

/// Jobs that wait for a core.
const MOST_WAITING: usize = 64;
/// Jobs that are not fetched back yet.
const MOST_UNDER_WAY: usize = 4 * MOST_WAITING;

impl<'scope, 'env> Hashing<'scope, 'env> {
    /// Starts no thread before the first password in clear comes.
    pub(crate) fn new(scope: &'scope Scope<'scope, 'env>, keeping: Keeping) -> Self {
        Self {
            scope,
            keeping,
            cores: None,
            under_way: 0,
        }
    }

    /// Takes one more, and gives those that are ready.
    pub(crate) fn push(&mut self, job: Job) -> Vec<Done> {
        let mut ready = Vec::new();
        let (scope, keeping) = (self.scope, self.keeping);
        let cores = self.cores.get_or_insert_with(|| start(scope, keeping));
        while self.under_way >= MOST_UNDER_WAY {
            let Ok(done) = cores.done.recv() else { break };
            self.under_way -= 1;
            ready.push(done);
        }
        match cores.jobs.send(job) {
            Ok(()) => self.under_way += 1,
            // Every thread has ended, which none does by itself: the work is done here.
            Err(back) => ready.push(hashed(back.0, keeping)),
        }
        while let Ok(done) = cores.done.try_recv() {
            self.under_way -= 1;
            ready.push(done);
        }
        ready
    }

    /// Gives all that are still under way, and waits for them.
    pub(crate) fn finish(&mut self) -> Vec<Done> {
        let mut ready = Vec::new();
        if let Some(cores) = self.cores.take() {
            // Without jobs to come, the threads end after those they have.
            drop(cores.jobs);
            ready.extend(cores.done);
        }
        self.under_way = 0;
        ready
    }
}

fn start<'scope>(scope: &'scope Scope<'scope, '_>, keeping: Keeping) -> Cores {
    let (jobs, waiting) = sync_channel::<Job>(MOST_WAITING);
    let (ready, done) = sync_channel(MOST_UNDER_WAY + MOST_WAITING);
    let waiting = Arc::new(Mutex::new(waiting));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for _ in 0..cores {
        let (waiting, ready) = (Arc::clone(&waiting), ready.clone());
        scope.spawn(move || {
            loop {
                let job = waiting
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .recv();
                let Ok(job) = job else { break };
                if ready.send(hashed(job, keeping)).is_err() {
                    break;
                }
            }
        });
    }
    Cores { jobs, done }
}

fn hashed(job: Job, keeping: Keeping) -> Done {
    let mut passwords = job.passwords;
    let mut trouble = None;
    for password in job.clear {
        if let Err(why) = passwords.keep_clear(&password, keeping) {
            trouble = Some(why);
        }
    }
    Done {
        id: job.id,
        line: job.line,
        passwords,
        trouble,
    }
}
