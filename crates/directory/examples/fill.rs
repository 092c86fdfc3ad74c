//! Fills a directory from an LDIF file and says how fast: `fill FOLDER FILE.ldif [CACHE-MIB]`.
//!
//! It then looks up addresses with their back links, walks the owners, checks the file and exports
//! it to nowhere. Numbers go to the standard output, one a line.

use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use automend_directory::{CACHE_BYTES, Directory, Export, Import, Reading, Scope, export, import};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(file)) = (arguments.next(), arguments.next()) else {
        return Err("usage: fill FOLDER FILE.ldif [CACHE-MIB]".into());
    };
    let cache = match arguments.next() {
        Some(mib) => mib.parse::<usize>()? << 20,
        None => CACHE_BYTES,
    };
    let folder = Path::new(&folder);
    let directory = Directory::create_with_cache(folder, cache)?;
    let start = Instant::now();
    let how = Import {
        now: 1_795_334_929,
        keep_going: true,
        ..Import::default()
    };
    let report = import(&directory, File::open(file)?, how, |_| {})?;
    let took = start.elapsed();
    #[allow(clippy::cast_precision_loss, reason = "a rate to look at")]
    let rate = report.added as f64 / took.as_secs_f64();
    println!(
        "import: {} objects in {took:.2?}, {rate:.0} objects/s",
        report.added
    );
    println!(
        "links {}, noted {}: {:?}",
        report.links,
        report.noted,
        report.notes.first()
    );
    drop(directory);
    let size = std::fs::metadata(folder.join(automend_directory::FILE))?.len();
    println!(
        "file: {size} bytes, {} per object",
        size / report.added.max(1)
    );

    let start = Instant::now();
    let directory = Directory::open(folder)?;
    println!("open: {:.2?}", start.elapsed());

    let reading = directory.read()?;
    look_up(&directory, &reading)?;

    let start = Instant::now();
    let mut count = 0;
    for owner in reading.owners()? {
        owner?;
        count += 1;
    }
    println!("owners: {count} in {:.2?}", start.elapsed());
    let start = Instant::now();
    let mut count = 0;
    for object in reading.subtree(&automend_core::dn::Dn::parse("")?, Scope::Subtree)? {
        object?;
        count += 1;
    }
    println!("walk: {count} in {:.2?}", start.elapsed());
    let start = Instant::now();
    println!("check: {:?} in {:.2?}", reading.check()?, start.elapsed());
    let start = Instant::now();
    let count = export(&reading, std::io::sink(), Export::default())?;
    println!("export: {count} in {:.2?}", start.elapsed());
    Ok(())
}

/// Looks up the addresses of some owners, each with its back links.
fn look_up(directory: &Directory, reading: &Reading) -> Result<(), Box<dyn Error>> {
    let addresses: Vec<String> = reading
        .owners()?
        .take(2000)
        .filter_map(|owner| owner.map(|o| o.text("mail").map(str::to_owned)).transpose())
        .collect::<Result<_, _>>()?;
    let mut times: Vec<Duration> = Vec::new();
    let mut owners = 0;
    for address in &addresses {
        let start = Instant::now();
        let reading = directory.read()?;
        let value = format!("smtp:{address}");
        for user in reading.by_value("proxyAddresses", value.as_bytes())? {
            for owner in reading.back_links(user?.id)? {
                owner?;
                owners += 1;
            }
        }
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!(
        "look-up by address with its owners ({} look-ups, {owners} owners): median {:.1?}, worst {:.1?}",
        times.len(),
        times.get(times.len() / 2).copied().unwrap_or_default(),
        times.last().copied().unwrap_or_default()
    );
    Ok(())
}
