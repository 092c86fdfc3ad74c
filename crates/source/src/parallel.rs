//! An LDIF file read once by one thread, and looked at by as many as there are cores.
//!
//! Invariant: every block goes to one worker; a few blocks are in memory at a time.

use std::sync::Mutex;
use std::sync::mpsc::sync_channel;

use anyhow::{Result, anyhow};
use automend_ldap::ldif::{Block, Blocks};
use indicatif::ProgressBar;

use super::ldif::Ldif;

/// What one thread does with blocks of whole records.
pub trait Worker: Send {
    /// Takes the next one.
    ///
    /// # Errors
    ///
    /// What ends the reading.
    fn block(&mut self, block: &Block) -> Result<()>;
}

/// Reads the file once, its blocks shared out among as many workers as there are cores.
///
/// # Errors
///
/// What the file or a worker reports.
pub fn in_parallel<W: Worker>(
    ldif: &Ldif,
    progress: &ProgressBar,
    worker: impl Fn() -> W,
) -> Result<Vec<W>> {
    let (reader, size) = ldif.reader()?;
    progress.set_length(size);
    let workers = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(8);
    let (send_block, blocks) = sync_channel::<Block>(workers);
    let (send_empty, empties) = sync_channel::<Block>(2 * workers + 2);
    let blocks = Mutex::new(blocks);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|_| {
                let (mut worker, blocks, empties) = (worker(), &blocks, send_empty.clone());
                scope.spawn(move || {
                    loop {
                        let next = blocks
                            .lock()
                            .map_err(|_| anyhow!("another thread failed"))?
                            .recv();
                        let Ok(block) = next else {
                            return Ok::<W, anyhow::Error>(worker);
                        };
                        worker.block(&block)?;
                        // Only memory to use again: where it is not wanted, it is freed.
                        let _ = empties.try_send(block);
                    }
                })
            })
            .collect();
        let mut reading = Blocks::new(reader);
        let mut failed = None;
        while let Some(block) = reading.next() {
            match block {
                Ok(block) => {
                    progress.set_position(block.offset());
                    if send_block.send(block).is_err() {
                        break;
                    }
                }
                Err(error) => {
                    failed = Some(anyhow!(error).context(format!("reading {}", ldif.shown)));
                    break;
                }
            }
            if let Ok(empty) = empties.try_recv() {
                reading.recycle(empty);
            }
        }
        drop(send_block);
        let mut done = Vec::new();
        for thread in threads {
            match thread.join() {
                Ok(worker) => done.push(worker?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        failed.map_or(Ok(done), Err)
    })
}
